"""Records of alerts for the archive."""

from __future__ import annotations

from dataclasses import dataclass

from kedge.webhooks.sample import sample_notifications
from statistic_records import MINUTE


@dataclass
class Decided:
    """What an alert's decision says."""

    action: str
    to_release: int | None
    proposal: int | None = None
    generation: int | None = None


def alert(minute, *, incident="i", status="firing", model="m", decided=None, **fields):
    """A change of an alert in this minute."""
    record = next(sample_notifications("w", model, minute * MINUTE + 1)).alerts[0]
    decision = decided and {
        "action": decided.action,
        "from_release": 2,
        "to_release": decided.to_release,
        "generation": decided.generation,
        "proposal": decided.proposal,
        "reason": "why",
        "decided_at": minute * MINUTE + 2,
    }
    return {
        **record,
        "id": f"{model}/{incident}/{minute}/{status}",
        "incident": incident,
        "status": status,
        "starts_at": 0,
        "decision": decision,
        **fields,
    }
