"""All statistics of one window of one release."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from kedge.contracts import Record, Role
from kedge.contracts.predictions import Ints
from kedge.profile import KINDS, Missing, Profile, Reference, ReferenceColumn
from kedge.statistics.distances import js_distance, psi

DISTANCES = {"psi": psi, "js_distance": js_distance}


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number about one window of one release.

    Attributes:
        name: which statistic.
        value: the number; None where it can't be had, and then `note` says why.
        rows: how many rows of the window it is computed from.
        role: whether it is about a feature or an output; None when it is about the window.
        column: which feature or output.
        kind: for a missing rate, the kind; None for all kinds together.
        note: what a reader of the number has to know.
        segment: which rows of the window, as `feature=value`; None for all.
    """

    name: str
    value: float | None
    rows: int
    role: Role | None = None
    column: str | None = None
    kind: str | None = None
    note: str | None = None
    segment: str | None = None

    def to_record(self) -> Record:
        """As in the `statistic` contract."""
        return asdict(self)


def window_statistics(profile: Profile, reference: Reference) -> Iterator[Statistic]:
    """Every statistic that a window's profile and the reference give.

    - `rows`: predictions in the window; `error_rate`: the share of them that raised.
    - `missing_rate`: the share of rows without a usable value, for each kind and for all together.
    - `missing_increase`: that share, all kinds together, less the reference's.
    - `psi`, `js_distance`: see `distances`, over the column's bins. A categorical column has one
      bin more, for unseen categories. Rows missing in another way are left out: their share is
      the missing rate's subject.

    A window without rows has the first two only: of its columns there is nothing to say.
    """
    yield Statistic("rows", float(profile.rows), profile.rows)
    yield _share("error_rate", profile.errors, profile.rows)
    if not profile.rows:
        return
    columns = zip(reference.columns, profile.counts, profile.missing, strict=True)
    for column, counts, missing in columns:
        yield from _missing(column, missing, profile.rows, reference.rows)
        yield from _distances(column, counts, missing)


def _missing(
    column: ReferenceColumn, missing: Ints, rows: int, reference_rows: int
) -> Iterator[Statistic]:
    role, name = column.spec.role, column.spec.name
    total = int(missing.sum())
    yield _share("missing_rate", total, rows, role=role, column=name)
    for kind, count in zip(KINDS, missing.tolist(), strict=True):
        yield _share("missing_rate", count, rows, role=role, column=name, kind=kind)
    increase = (
        total / rows - int(column.missing.sum()) / reference_rows
        if rows and reference_rows
        else None
    )
    note = None if increase is not None else "no rows in the window or in the reference"
    yield Statistic("missing_increase", increase, rows, role, name, note=note)


def _share(
    name: str,
    count: int,
    rows: int,
    *,
    role: Role | None = None,
    column: str | None = None,
    kind: str | None = None,
) -> Statistic:
    value, note = (count / rows, None) if rows else (None, "no rows in the window")
    return Statistic(name, value, rows, role, column, kind, note)


def _distances(column: ReferenceColumn, counts: Ints, missing: Ints) -> Iterator[Statistic]:
    spec = column.spec
    if spec.type == "vector":
        return
    window, reference = counts, column.counts
    if spec.type == "categorical":
        window = np.append(window, missing[Missing.UNSEEN])
        reference = np.append(reference, column.missing[Missing.UNSEEN])
    rows = int(window.sum())
    for name, distance in DISTANCES.items():
        value = distance(window, reference)
        note = None
        if value is None:
            note = f"no usable value in the {'reference' if rows else 'window'}"
        yield Statistic(name, value, rows, spec.role, spec.name, note=note)
