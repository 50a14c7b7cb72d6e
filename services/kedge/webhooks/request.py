"""What is posted to an endpoint for a notification, in the format that the endpoint asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from kedge.contracts import Record
from kedge.policy import Webhook
from kedge.webhooks.alertmanager import payload
from kedge.webhooks.cloudevents import cloud_event
from kedge.webhooks.notification import Notification
from kedge.webhooks.pagerduty import event
from kedge.webhooks.signing import Signer
from kedge.webhooks.slack import message


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint with all that is secret about it.

    Attributes:
        webhook: as in the policy.
        url: where to post to. Slack's is a secret by itself.
        signer: None where the receiver knows no signatures.
        routing_key: of a PagerDuty service; empty for others.
    """

    webhook: Webhook
    url: str = field(repr=False)
    signer: Signer | None = None
    routing_key: str = field(default="", repr=False)

    def body(self, notification: Notification, *, replay: bool = False) -> bytes:
        """The same bytes at every attempt.

        Args:
            notification: what is to be told.
            replay: whether somebody asked for it to be sent again.
        """
        content = self._content(notification, replay=replay)
        return json.dumps(content, allow_nan=False, ensure_ascii=False).encode()

    def headers(
        self, identifier: str, timestamp: int, body: bytes, *, replay: bool = False
    ) -> dict[str, str]:
        """For one attempt; see `Signer.headers`."""
        kind = "cloudevents+json" if self.webhook.format == "cloudevents" else "json"
        signed = {} if self.signer is None else self.signer.headers(identifier, timestamp, body)
        marked = {"kedge-replay": "true"} if replay else {}
        return {**signed, **marked, "content-type": f"application/{kind}"}

    def _content(self, notification: Notification, *, replay: bool) -> Record:
        match self.webhook.format:
            case "alertmanager":
                return payload(notification)
            case "slack":
                return message(notification)
            case "pagerduty":
                return event(notification, self.routing_key)
            case _:
                return cloud_event(notification, replay=replay)
