"""Times as the caller has them, turned into microseconds since 1970 UTC."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np

from kedge.contracts.predictions import Ints

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_LONGEST = 2**63
NO_TIME = np.iinfo(np.int64).min
"""Stands for a time that is none, as NaT does in NumPy."""


def microseconds(moment: Any) -> int:
    """Microseconds since 1970 UTC of a datetime, a datetime64, or an integer of microseconds.

    A datetime without a time zone is taken as UTC. A float is refused: seconds as `time.time()`
    has them are not told from microseconds by looking.

    Raises:
        TypeError: it is none of these.
        ValueError: it is not a time, or none that 64 bits can hold.
    """
    if isinstance(moment, dt.datetime):
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
        known = (aware - _EPOCH) // _MICROSECOND
    elif isinstance(moment, np.datetime64):
        known = int(moment.astype("datetime64[us]").astype(np.int64))
    elif isinstance(moment, int | np.integer) and not isinstance(moment, bool):
        known = int(moment)
    else:
        raise TypeError("a time is a datetime, or an int of microseconds since 1970 UTC")
    # The lowest is what NaT is; pandas' NaT makes no int at all.
    if not (isinstance(known, int) and -_LONGEST < known < _LONGEST):
        raise ValueError("not a time")
    return known


def microseconds_of(moments: Any) -> Ints:
    """`microseconds` of a column: an array, a series or a list; `NO_TIME` where it has none."""
    column = moments
    if str(getattr(moments, "dtype", "")).startswith("datetime64"):  # pandas, with a zone or not
        column = np.asarray(moments, "datetime64[us]")
    elif hasattr(moments, "to_numpy"):
        column = moments.to_numpy()
    if isinstance(column, np.ndarray) and column.ndim == 1:
        if column.dtype.kind == "M":
            return column.astype("datetime64[us]").astype(np.int64)
        if column.dtype.kind in "iu":
            known = column.astype(np.int64)
            known[column > np.iinfo(np.int64).max] = NO_TIME
            return known
    return np.array([_or_none(moment) for moment in column], np.int64)


def _or_none(moment: Any) -> int:
    try:
        return microseconds(moment)
    except (TypeError, ValueError, OverflowError):
        return NO_TIME
