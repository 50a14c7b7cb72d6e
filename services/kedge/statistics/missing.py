"""How many rows have no usable value in a column."""

from __future__ import annotations

from collections.abc import Iterator

from kedge.contracts import Role
from kedge.contracts.predictions import Ints
from kedge.profile import KINDS, ReferenceColumn
from kedge.statistics.statistic import Statistic


def missing_statistics(
    column: ReferenceColumn, missing: Ints, rows: int, reference_rows: int
) -> Iterator[Statistic]:
    """`missing_rate`, of all kinds and of each, and `missing_increase`.

    Args:
        column: of the reference.
        missing: `[8]`, rows of the window by kind.
        rows: of the window.
        reference_rows: of the reference.
    """
    role, name = column.spec.role, column.spec.name
    total = int(missing.sum())
    yield share("missing_rate", total, rows, role=role, column=name)
    for kind, count in zip(KINDS, missing.tolist(), strict=True):
        yield share("missing_rate", count, rows, role=role, column=name, kind=kind)
    increase = (
        total / rows - int(column.missing.sum()) / reference_rows
        if rows and reference_rows
        else None
    )
    note = None if increase is not None else "no rows in the window or in the reference"
    yield Statistic("missing_increase", increase, rows, role, name, note=note)


def share(
    name: str,
    count: int,
    rows: int,
    *,
    role: Role | None = None,
    column: str | None = None,
    kind: str | None = None,
) -> Statistic:
    """A part of the window's rows."""
    value, note = (count / rows, None) if rows else (None, "no rows in the window")
    return Statistic(name, value, rows, role, column, kind, note=note)
