"""The reference that training or validation data makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kedge.contracts import Column
from kedge.profile.bins import bins_for, numbers_of, vectors_of
from kedge.profile.cells import cells_of
from kedge.profile.counting import Named, by_name, count, standardised
from kedge.profile.projection import MOST_FEATURES, Projection
from kedge.profile.reference import Reference, ReferenceColumn
from kedge.profile.scale import Scale
from kedge.profile.signature import ColumnSpec, infer_signature
from kedge.profile.vectors import VectorScale


def reference_of(
    columns: Sequence[Column],
    signature: Sequence[ColumnSpec] | None = None,
    *,
    bins: int = 10,
    most_categories: int = 50,
) -> Reference:
    """The reference that the features and outputs of a training or validation set make.

    Args:
        columns: features and outputs, each of the same number of rows.
        signature: what the columns have to be; inferred from the data by default.
        bins: number of quantile bins of a numeric column.
        most_categories: how many categories get a bin of their own.

    Raises:
        ValueError: there are no columns, or they are of different lengths, or have mixed types.
    """
    lengths = {len(column.states) for column in columns}
    if len(lengths) != 1:
        raise ValueError(f"a reference needs columns of one length, not of {sorted(lengths)}")
    rows = lengths.pop()
    specs = infer_signature(columns) if signature is None else tuple(signature)
    named = by_name(columns)
    unfilled = tuple(
        _unfilled(spec, named.get(spec.key, ()), bins, most_categories) for spec in specs
    )
    empty = Reference(0, unfilled)
    (profile,) = count(named, {}, np.zeros(rows, np.int64), 1, empty)
    return Reference(
        rows,
        tuple(
            replace(column, counts=counts, missing=missing, sums=sums)
            for column, counts, missing, sums in zip(
                unfilled, profile.counts, profile.missing, profile.sums, strict=True
            )
        ),
        profile.together,
        _projection(named, rows, empty),
    )


def _projection(named: Named, rows: int, reference: Reference) -> Projection | None:
    numbers = {position: reference.columns[position] for position in reference.numbers}
    unusable = {
        position: cells_of(named.get(column.spec.key, ()), column, rows) >= len(column.bins)
        for position, column in numbers.items()
    }
    features = sum(column.spec.role == "feature" for column in numbers.values())
    distances = standardised(named, unusable, rows, reference)
    return Projection.of(distances[: min(features, MOST_FEATURES)])


def _unfilled(
    spec: ColumnSpec, columns: Sequence[Column], bins: int, most_categories: int
) -> ReferenceColumn:
    """Where values are counted, and nothing counted yet."""
    nothing = np.empty(0, np.int64)
    return ReferenceColumn(
        spec,
        bins_for(spec, columns, bins, most_categories),
        nothing,
        nothing,
        _scale(spec, columns),
    )


def _scale(spec: ColumnSpec, columns: Sequence[Column]) -> Scale | VectorScale | None:
    if spec.type == "numeric":
        return Scale.of(numbers_of(spec, columns))
    return VectorScale.of(vectors_of(columns)) if spec.type == "vector" else None
