"""Alerts as CloudEvents 1.0, in JSON."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from kedge.contracts import Record

CONTENT_TYPE = "application/cloudevents+json"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMES = frozenset(
    {"starts_at", "ends_at", "window_start", "window_end", "decided_at", "produced_at"}
)


def cloud_event(alert: Record) -> bytes:
    """The alert in structured mode; the same bytes at every attempt.

    `data` has the fields of the `alert` contract. Times are text as in RFC 3339 there, and a
    number that JSON can't write is null.
    """
    model, release = quote(alert["model"], safe=""), alert["release"]
    event = {
        "specversion": "1.0",
        "id": alert["id"],
        "source": f"/kedge/{quote(alert['environment'], safe='')}/models/{model}",
        "subject": f"releases/{release}",
        "type": f"io.kedge.alert.{alert['status']}",
        "time": rfc3339(alert["produced_at"]),
        "datacontenttype": "application/json",
        "data": _plain(alert),
    }
    return json.dumps(event, allow_nan=False, ensure_ascii=False).encode()


def rfc3339(micros: int) -> str:
    """A time as text.

    >>> rfc3339(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: rfc3339(inner) if key in _TIMES and inner is not None else _plain(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
