"""Records of the `statistic` contract, as the monitor publishes them."""

from __future__ import annotations

MINUTE = 60_000_000


def statistic(
    name,
    value,
    rows=1000,
    *,
    role=None,
    column=None,
    kind=None,
    segment=None,
    low=None,
    high=None,
    note=None,
):
    return {
        "name": name,
        "role": role,
        "column": column,
        "kind": kind,
        "segment": segment,
        "value": value,
        "rows": rows,
        "low": low,
        "high": high,
        "note": note if value is not None else "no usable value in the window",
    }


def increase(value, column="dep_delay", rows=1000):
    return statistic("missing_increase", value, rows, role="feature", column=column)


def window(
    release,
    minute,
    *statistics,
    revision=0,
    model="flights",
    environment="production",
    minutes=1,
    clock="event",
):
    """The window that starts with this minute; the releases differ in their code only."""
    return {
        "model": model,
        "model_version": "mv",
        "code_version": f"cv{release}",
        "release": release,
        "environment": environment,
        "clock": clock,
        "window_start": minute * MINUTE,
        "window_end": (minute + minutes) * MINUTE,
        "revision": revision,
        "rows": max((s["rows"] for s in statistics), default=0),
        "errors": 0,
        "statistics": list(statistics),
    }
