"""What callers hand over, taken as it is to be logged."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from kedge.contracts.values import plain_name
from kedge.sdk.events import Frame
from kedge.sdk.frames import Cells, Columns, imputed_of, latencies_of
from kedge.sdk.releases import LiveRelease
from kedge.sdk.times import microseconds_of

ATOMS: Final = frozenset({float, int, str, bool, type(None), np.float64, np.float32, np.int64})
"""Types whose values nobody can change later."""


def copied(value: Any) -> Any:
    """A value that its owner may change later, as it is now; a mapping as a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | np.ndarray):
        return value.copy()
    return value


def names_of(imputed: Any) -> tuple[Any, ...]:
    """Names of features; one alone may stand without a list."""
    return (imputed,) if isinstance(imputed, str) else tuple(imputed)


def error_name(error: Any) -> str:
    """The exception's type, by which alone it is logged: its text may quote the request."""
    if isinstance(error, BaseException):
        return plain_name(type(error).__name__)
    if isinstance(error, type):
        return plain_name(error.__name__)
    return plain_name(error)


def checked(release: Any) -> LiveRelease:
    """The release itself.

    Raises:
        TypeError: it is none.
    """
    if type(release) is not LiveRelease:
        raise TypeError(f"release is a {type(release).__name__}, where a LiveRelease is due")
    return release


def rows_of(columns: Sequence[Cells]) -> int:
    """How many rows the columns have.

    Raises:
        ValueError: not all have as many, or there are no columns.
    """
    lengths = {len(cells) for cells in columns}
    if len(lengths) != 1:
        raise ValueError(f"the columns have {sorted(lengths)} rows, where one number is due")
    return lengths.pop()


def frame_of(
    *,
    release: LiveRelease,
    ids: Sequence[str],
    features: Columns,
    outputs: Columns,
    event_times: Any,
    imputed: Any,
    latencies_ms: Any,
) -> Frame:
    """The arguments of `PredictionLogger.batch` as a frame.

    Raises:
        TypeError, ValueError: something has not one entry a row, or is not what is due.
    """
    rows = rows_of([*features.values(), *outputs.values()])
    times = (
        np.full(rows, time.time_ns() // 1000, np.int64)
        if event_times is None
        else microseconds_of(event_times)
    )
    for what, length in (("ids", len(ids)), ("event_times", len(times))):
        if length != rows:
            raise ValueError(f"there are {length} {what} for {rows} rows")
    return Frame(
        release=release,
        ids=ids,
        event_times=times,
        latencies_ms=latencies_of(latencies_ms, rows),
        features=features,
        outputs=outputs,
        imputed=imputed_of(imputed, rows),
    )
