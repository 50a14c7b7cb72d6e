"""Predictions counted on the bins of a reference, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch
from kedge.contracts.predictions import Ints, State
from kedge.profile.missing import Missing
from kedge.profile.operations import count_operations
from kedge.profile.profile import Profile
from kedge.profile.reference import (
    BOOLEAN_CATEGORIES,
    ColumnSpec,
    Reference,
    ReferenceColumn,
    as_text,
    bins_for,
    infer_signature,
)


def count_windows(batch: PredictionBatch, reference: Reference, window: int) -> dict[int, Profile]:
    """One profile for each base window that the batch has rows in.

    Args:
        batch: predictions of one release.
        reference: of that release's model version.
        window: length of a base window, in microseconds.

    Returns:
        Profiles by the start of the window, microseconds since 1970 UTC.
    """
    starts, index = np.unique(batch.event_times // window * window, return_inverse=True)
    profiles = _count(batch.columns, batch.errors, index, len(starts), reference.columns)
    operations = count_operations(batch.latencies_ms, batch.errors, index, len(starts))
    return {
        start: replace(profile, operations=part)
        for start, profile, part in zip(starts.tolist(), profiles, operations, strict=True)
    }


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
    unfilled = tuple(
        ReferenceColumn(
            spec,
            bins_for(spec, columns, bins, most_categories),
            np.empty(0, np.int64),
            np.empty(0, np.int64),
        )
        for spec in specs
    )
    (profile,) = _count(columns, {}, np.zeros(rows, np.int64), 1, unfilled)
    return Reference(
        rows,
        tuple(
            ReferenceColumn(column.spec, column.bins, counts, missing)
            for column, counts, missing in zip(
                unfilled, profile.counts, profile.missing, strict=True
            )
        ),
    )


def _count(
    columns: Sequence[Column],
    errors: dict[int, str],
    index: NDArray[np.int64],
    windows: int,
    wanted: Sequence[ReferenceColumn],
) -> list[Profile]:
    by_name: dict[tuple[str, str], list[Column]] = {}
    for column in columns:
        by_name.setdefault((column.role, column.name), []).append(column)
    rows = np.bincount(index, minlength=windows)
    failed = np.bincount(index[list(errors)], minlength=windows)
    counts: list[Ints] = []
    for reference in wanted:
        width = len(reference.bins) + len(Missing)
        spec = reference.spec
        cells = _cells(by_name.get((spec.role, spec.name), ()), reference, len(index))
        counts.append(
            np.bincount(index * width + cells, minlength=windows * width).reshape(windows, width)
        )
    kinds = len(Missing)
    return [
        Profile(
            int(rows[w]),
            int(failed[w]),
            tuple(count[w, :-kinds] for count in counts),
            np.array([count[w, -kinds:] for count in counts], np.int64).reshape(-1, kinds),
        )
        for w in range(windows)
    ]


def _cells(columns: Sequence[Column], reference: ReferenceColumn, rows: int) -> Ints:
    """For each row its bin, or the number of bins plus the kind of missing."""
    bins = len(reference.bins)
    cells = np.full(rows, bins + Missing.ABSENT, np.int64)
    for column in columns:
        states = column.states
        if not states.any():
            cells = _value_cells(column, reference)
            continue
        cells[states == State.NULL] = bins + Missing.NULL
        cells[states == State.IMPUTED] = bins + Missing.IMPUTED
        there = states == State.VALUE
        if there.any():
            cells[there] = _value_cells(column, reference)[there]
    return cells


def _value_cells(column: Column, reference: ReferenceColumn) -> Ints:
    """As `_cells`, as though every row had a value."""
    spec, bins = reference.spec, len(reference.bins)
    if spec.type == "categorical" and column.values.ndim == 1:
        return _category_cells(column, reference.bins.categories)
    if column.type == "text":
        empty = np.array([not text for text in column.dictionary] or [False])
        return bins + np.where(
            empty[np.clip(column.values, 0, len(empty) - 1)], Missing.EMPTY, Missing.WRONG_TYPE
        ).astype(np.int64)
    if spec.type == "boolean" and column.values.ndim == 1:
        if column.type == "boolean":
            return column.values.astype(np.int64)
        return _truth_cells(column.values)
    if spec.type == "vector" and column.values.ndim > 1:
        return np.where(np.isnan(column.values).any(axis=1), bins + Missing.NAN, 0)
    if spec.type != "numeric" or column.type != "number" or column.values.ndim > 1:
        return np.full(len(column.states), bins + Missing.WRONG_TYPE, np.int64)
    return _numeric_cells(column.values, reference)


def _numeric_cells(values: NDArray[np.float64], reference: ReferenceColumn) -> Ints:
    spec, bins = reference.spec, len(reference.bins)
    cells = np.searchsorted(reference.bins.edges, values, side="right").astype(np.int64)
    outside = np.isinf(values)
    if spec.minimum is not None:
        outside |= values < spec.minimum
    if spec.maximum is not None:
        outside |= values > spec.maximum
    cells[outside] = bins + Missing.OUT_OF_RANGE
    cells[np.isnan(values)] = bins + Missing.NAN
    return cells


def _truth_cells(values: NDArray[np.float64]) -> Ints:
    """Numbers where truth values are due: 0 and 1 are understood, as data frames make them."""
    bins = len(BOOLEAN_CATEGORIES)
    cells = np.full(len(values), bins + Missing.WRONG_TYPE, np.int64)
    for truth in (0, 1):
        cells[values == truth] = truth
    cells[np.isnan(values)] = bins + Missing.NAN
    return cells


def _category_cells(column: Column, categories: tuple[str, ...]) -> Ints:
    bins = len(categories) or 1
    position = {category: i for i, category in enumerate(categories)}
    nothing = bins + (Missing.NAN if column.type == "number" else Missing.EMPTY)
    texts, codes = as_text(column)
    lookup = np.array(
        [position.get(text, bins + Missing.UNSEEN) if text else nothing for text in texts],
        np.int64,
    )
    return lookup[np.clip(codes, 0, len(lookup) - 1)]
