"""Alerts as values that JSON can write."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = frozenset(
    {
        *("starts_at", "ends_at", "window_start", "window_end"),
        *("onset", "onset_earliest", "onset_latest", "decided_at", "produced_at"),
    }
)


def plain(value: Any) -> Any:
    """The same with times as text, as RFC 3339 has them, and null for what is no finite number."""
    if isinstance(value, dict):
        return {
            key: rfc3339(inner) if key in _TIMES and inner is not None else plain(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rfc3339(micros: int) -> str:
    """A time as text.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
