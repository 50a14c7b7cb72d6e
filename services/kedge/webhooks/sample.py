"""A test alert and its end, as real as the `alert` contract has them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from kedge.contracts import Record

_MINUTE = 60_000_000


def sample_alerts(model: str, now: int) -> Iterator[Record]:
    """One that fires and the one that resolves it; they say that they are a test.

    Args:
        model: that the policy is about.
        now: microseconds since 1970 UTC.
    """
    name = uuid.uuid4().hex
    start = now // _MINUTE * _MINUTE - _MINUTE
    for status, summary in (
        ("firing", "This is a test of the webhook: nothing is wrong."),
        ("resolved", "The test of the webhook is over."),
    ):
        yield {
            "id": f"alert_test_{name}_{status}",
            "fingerprint": name[:16],
            "incident": f"{name[:16]}-{start}",
            "status": status,
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
            "produced_at": now,
        }
