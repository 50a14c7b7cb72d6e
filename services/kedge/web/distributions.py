"""Pure: how the logged values of a feature or output lie on the bins of a reference."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from kedge.contracts import Column, Role
from kedge.contracts.predictions import Ints, State
from kedge.profile import KINDS, ReferenceColumn
from kedge.profile.cells import cells_of

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TYPES = {"numeric": "DOUBLE", "boolean": "BOOLEAN", "categorical": "VARCHAR"}


def values_of(
    column: ReferenceColumn,
    filters: Mapping[str, str | int | None],
    start: dt.datetime,
    end: dt.datetime,
) -> tuple[str, dict[str, Any]]:
    """The query of a column's distinct values and how often there is each.

    Args:
        column: none of vectors.
        filters: columns of the view, and the value of each; None for any.
        start: predictions made then or later.
        end: predictions made before.
    """
    role, name = column.spec.role, column.spec.name
    values: dict[str, Any] = {"name": name}
    conditions = []
    for key, value in filters.items():
        if value is not None:
            conditions.append(f"{key} = ${key}")
            values[key] = value
    for key, sign, moment in (("from_time", ">=", start), ("to_time", "<", end)):
        conditions.append(f"event_time {sign} make_timestamp(${key})::TIMESTAMPTZ")
        values[key] = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    quoted = name.replace("'", "''")
    suffix = "" if role == "feature" else "_outputs"
    filled = "list_contains(imputed, $name)" if role == "feature" else "false"
    query = f"""
        SELECT why, list(value) AS found, list(n) AS counts FROM (
            SELECT why, CASE WHEN why IS NULL THEN TRY_CAST(given AS {_TYPES[column.spec.type]}) END
                AS value, count(*) AS n
            FROM (
                SELECT struct_extract({role}s, '{quoted}') AS given,
                    CASE WHEN {filled} THEN 'imputed'
                        WHEN missing{suffix}[$name] IS NOT NULL THEN missing{suffix}[$name]
                        WHEN untyped{suffix}[$name] IS NOT NULL THEN 'wrong_type'
                        WHEN given IS NULL THEN 'absent' END AS why
                FROM distinct_predictions WHERE {" AND ".join(conditions)}
            ) GROUP BY ALL
        ) GROUP BY why"""  # noqa: S608 - the name is a literal
    return query, values


def counted(rows: Sequence[Mapping[str, Any]], column: ReferenceColumn) -> tuple[Ints, Ints]:
    """Rows in each bin of the reference, and by kind of missing, as the profiler counts them.

    Args:
        rows: of the query of `values_of`.
        column: of the reference.

    Returns:
        int64 `[bins]` and int64 `[8]`.
    """
    bins = len(column.bins)
    totals = np.zeros(column.cells, np.int64)
    for row in rows:
        if row["why"] is not None:
            totals[bins + KINDS.index(row["why"])] += sum(row["counts"])
            continue
        cells = cells_of([_column(column, row["found"])], column, len(row["found"]))
        np.add.at(totals, cells, row["counts"])
    return totals[:bins], totals[bins:]


def _column(column: ReferenceColumn, found: list[Any]) -> Column:
    spec = column.spec
    name, role = spec.name, spec.role
    states = np.full(len(found), State.VALUE, np.uint8)
    if spec.type == "numeric":
        return Column(name, role, "number", states, np.array(found, np.float64))
    if spec.type == "boolean":
        return Column(name, role, "boolean", states, np.array(found, np.bool_))
    codes = np.arange(len(found), dtype=np.int32)
    return Column(name, role, "text", states, codes, tuple(found))


def labels(column: ReferenceColumn) -> list[dict[str, Any]]:
    """What each bin holds, for people, and where it begins and ends if it is of numbers.

    >>> from kedge.profile import Bins, ColumnSpec
    >>> spec = ColumnSpec("x", "feature", "numeric")
    >>> column = ReferenceColumn(spec, Bins(np.array([1.5])), np.zeros(2), np.zeros(8))
    >>> [each["label"] for each in labels(column)]
    ['below 1.5', '1.5 or more']
    """
    if column.spec.type == "numeric":
        bounds = [None, *column.bins.edges.tolist(), None]
        named = [_range(low, high) for low, high in pairwise(bounds)]
        if len(bounds) > 3 and bounds[-2] == np.nextafter(bounds[-3], np.inf):  # noqa: PLR2004
            named[-1] = f"above {bounds[-3]:.6g}"
        return [
            {"label": name, "low": low, "high": high}
            for name, (low, high) in zip(named, pairwise(bounds), strict=True)
        ]
    tail = [f"other, part {part + 1}" for part in range(column.bins.tail)]
    return [{"label": each, "low": None, "high": None} for each in (*column.bins.categories, *tail)]


def _range(low: float | None, high: float | None) -> str:
    if low is None:
        return "any" if high is None else f"below {high:.6g}"
    if high is None:
        return f"{low:.6g} or more"
    return f"{low:.6g}" if high == np.nextafter(low, np.inf) else f"{low:.6g} to {high:.6g}"


def column_of(columns: Sequence[ReferenceColumn], role: Role, name: str) -> ReferenceColumn | None:
    """The column of a reference that is named so."""
    return next(
        (each for each in columns if (each.spec.role, each.spec.name) == (role, name)), None
    )
