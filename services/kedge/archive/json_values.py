"""Rows of Arrow as JSON can hold them."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import duckdb
import pyarrow as pa

_BEYOND_PYTHON = (OverflowError, ValueError, KeyError, TypeError)
"""What Arrow raises of years before 1 and after 9999, and of maps with odd keys."""
_TIME = re.compile(r"\b(?:DATE|TIMESTAMP(?:_S|_MS|_NS)?(?: WITH TIME ZONE)?)\b")


def rows_of(batch: pa.RecordBatch | pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows; times that Python has no year for are text."""
    return zip(*map(_values, batch.columns), strict=True)


def plain(value: object) -> Any:
    """A value as JSON can hold it: times in ISO 8601, bytes in hex, null for NaN and infinities."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, pa.MonthDayNano):
        return _interval(value)
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def text(value: object) -> str:
    """A value in one cell: nothing for null, what is nested as JSON."""
    flat = plain(value)
    if flat is None:
        # JSON has no NaN; a cell has.
        return "" if value is None else str(value)
    return flat if isinstance(flat, str) else json.dumps(flat, ensure_ascii=False)


def _values(column: Any) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist(maps_as_pydicts="strict")
    except _BEYOND_PYTHON:
        if len(column) == 1:
            return [_as_text(column)]
        values = [value for row in range(len(column)) for value in _values(column.slice(row, 1))]
    return values


def _as_text(column: Any) -> Any:
    """The one value of a column: its times as text, or all of it where that is not enough."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.from_arrow(pa.table({"value": column}))
        for wanted in (_TIME.sub("VARCHAR", str(relation.types[0])), "VARCHAR"):
            with suppress(duckdb.Error, *_BEYOND_PYTHON):
                texts = relation.project(f"value::{wanted} AS value").to_arrow_table()["value"]
                return texts[0].as_py(maps_as_pydicts="strict")
    return None


def _interval(value: pa.MonthDayNano) -> str:
    """A span of time in ISO 8601.

    >>> _interval(pa.MonthDayNano([1, 2, 1_500_000_000]))
    'P1M2DT1.5S'
    """
    return f"P{value.months}M{value.days}DT{value.nanoseconds / 1e9:g}S"
