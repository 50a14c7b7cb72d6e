"""Alerts as the `alert` contract has them, for tests that need no fold to make them."""

from __future__ import annotations

ALERT = {
    "id": "alert_1",
    "fingerprint": "0123456789abcdef",
    "incident": "0123456789abcdef-0",
    "status": "firing",
    "step": "fired",
    "model": "flights",
    "model_version": "mv",
    "code_version": "cv",
    "release": 1,
    "environment": "production",
    "alias": "production",
    "rule": "drift",
    "severity": "warning",
    "action": "notify",
    "statistic": "psi",
    "role": "feature",
    "column": "x",
    "kind": None,
    "segment": None,
    "threshold": 0.1,
    "starts_at": 0,
    "ends_at": None,
    "window_start": 0,
    "window_end": 60_000_000,
    "value": 0.5,
    "rows": 1000,
    "summary": "psi of feature x is 0.5 in release 1, above 0.1.",
    "evidence": [],
    "decision": None,
    "verdict": None,
    "onset": None,
    "onset_earliest": None,
    "onset_latest": None,
    "produced_at": 1_700_000_000_000_000,
}

DECISION = {
    "action": "rolled_back",
    "from_release": 2,
    "to_release": 1,
    "generation": 3,
    "reason": "it was healthy",
    "decided_at": 0,
}


def alert(**changes):
    """One that fires, but for the changes."""
    return ALERT | changes
