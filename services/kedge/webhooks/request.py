"""What is posted to an endpoint for an alert, in the format that the endpoint asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from kedge.contracts import Record
from kedge.policy import Webhook
from kedge.webhooks.alertmanager import notification
from kedge.webhooks.cloudevents import cloud_event
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

    def body(self, alert: Record) -> bytes:
        """The same bytes at every attempt."""
        return json.dumps(self._content(alert), allow_nan=False, ensure_ascii=False).encode()

    def headers(self, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
        """For one attempt; see `Signer.headers`."""
        kind = "cloudevents+json" if self.webhook.format == "cloudevents" else "json"
        signed = {} if self.signer is None else self.signer.headers(identifier, timestamp, body)
        return {**signed, "content-type": f"application/{kind}"}

    def _content(self, alert: Record) -> Record:
        match self.webhook.format:
            case "alertmanager":
                return notification(alert, self.webhook.name)
            case "slack":
                return message(alert)
            case "pagerduty":
                return event(alert, self.routing_key)
            case _:
                return cloud_event(alert)
