"""Notifications of a test alert and of its end, as real as the contracts have them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from kedge.contracts import Record
from kedge.webhooks.notification import Notification

_MINUTE = 60_000_000


def sample_notifications(endpoint: str, model: str, now: int) -> Iterator[Notification]:
    """Of an alert that fires and of its end; they say that they are a test.

    Args:
        endpoint: name of the webhook in the policy.
        model: that the policy is about.
        now: microseconds since 1970 UTC.
    """
    name = uuid.uuid4().hex
    start = now // _MINUTE * _MINUTE - _MINUTE
    group = {"model": model, "environment": "test", "release": "0", "rule": "test"}
    for status, summary in (
        ("firing", "This is a test of the webhook: nothing is wrong."),
        ("resolved", "The test of the webhook is over."),
    ):
        alert: Record = {
            "id": f"alert_test_{name}_{status}",
            "fingerprint": name[:16],
            "incident": f"{name[:16]}-{start}",
            "status": status,
            "step": "fired" if status == "firing" else "resolved",
            "model": model,
            "model_version": "",
            "code_version": "",
            "release": 0,
            "environment": "test",
            "alias": None,
            "rule": "test",
            "severity": "info",
            "action": "notify",
            "statistic": "rows",
            "role": None,
            "column": None,
            "kind": None,
            "segment": None,
            "threshold": 0.0,
            "starts_at": start,
            "ends_at": None if status == "firing" else start + _MINUTE,
            "window_start": start,
            "window_end": start + _MINUTE,
            "value": 0.0,
            "rows": 0,
            "summary": summary,
            "evidence": [],
            "decision": None,
            "verdict": None,
            "onset": None,
            "onset_earliest": None,
            "onset_latest": None,
            "produced_at": now,
        }
        yield Notification.of(endpoint, group, [alert], now, firing=status == "firing")
