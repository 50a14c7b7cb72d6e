"""What one endpoint is told of one group of alerts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from kedge.contracts import Record, decode, encode

_SEVERITIES = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Notification:
    """Alerts of one group, for one endpoint.

    Attributes:
        id: the same at every attempt, after every restart and in every replay.
        endpoint: name of the webhook in the policy.
        group: the labels that the alerts have alike; the model and the environment among them.
        status: resolved once nothing that the endpoint was told of in this group fires any more.
        alerts: as in the `alert` contract, the oldest first.
        produced_at: when it was due, microseconds since 1970.
    """

    id: str
    endpoint: str
    group: Mapping[str, str]
    status: Literal["firing", "resolved"]
    alerts: tuple[Record, ...]
    produced_at: int

    @classmethod
    def of(
        cls,
        endpoint: str,
        group: Mapping[str, str],
        alerts: Iterable[Record],
        now: int,
        *,
        firing: bool,
    ) -> Self:
        """The notification that is due now, by an id of its own."""
        told = tuple(sorted(alerts, key=lambda a: (a["starts_at"], a["incident"], a["id"])))
        parts = [endpoint, sorted(group.items()), [alert["id"] for alert in told], now]
        name = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
        status: Literal["firing", "resolved"] = "firing" if firing else "resolved"
        return cls(f"notification_{name}", endpoint, group, status, told, now)

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """From the `notification` contract.

        Raises:
            UnreadableMessageError: what it lists is no alert.
        """
        alerts = tuple(decode(message, "alert")[1] for message in record["alerts"])
        names = ("id", "endpoint", "group", "status", "produced_at")
        return cls(alerts=alerts, **{name: record[name] for name in names})

    def to_record(self) -> Record:
        return {
            "id": self.id,
            "endpoint": self.endpoint,
            "model": self.model,
            "environment": self.group["environment"],
            "group": dict(self.group),
            "status": self.status,
            "alerts": [encode("alert", alert) for alert in self.alerts],
            "produced_at": self.produced_at,
        }

    @property
    def model(self) -> str:
        return self.group["model"]

    @property
    def firing(self) -> tuple[Record, ...]:
        """Those of the alerts that fire."""
        return tuple(alert for alert in self.alerts if alert["status"] == "firing")

    @property
    def severity(self) -> str:
        """The gravest of what fires; of all where nothing does."""
        given = {alert["severity"] for alert in self.firing or self.alerts}
        return next(each for each in _SEVERITIES if each in given)

    @property
    def group_id(self) -> str:
        """Names the group at this endpoint: the same in all of its notifications."""
        parts = json.dumps([self.endpoint, sorted(self.group.items())])
        return hashlib.sha256(parts.encode()).hexdigest()[:32]

    def distinct(self, field: str) -> list[str]:
        """The values that a field of the alerts has, in their order."""
        values = (alert[field] for alert in self.alerts)
        return list(dict.fromkeys(str(value) for value in values if value is not None))
