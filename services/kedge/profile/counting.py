"""Predictions counted on the bins of a reference, window by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch, Role
from kedge.contracts.predictions import Ints, State
from kedge.profile.bins import BOOLEAN_CATEGORIES, as_text
from kedge.profile.missing import Missing
from kedge.profile.profile import Profile
from kedge.profile.reference import Reference, ReferenceColumn
from kedge.profile.together import count_together


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
    profiles = count(batch.columns, batch.errors, index, len(starts), reference)
    return dict(zip(starts.tolist(), profiles, strict=True))


def count(
    columns: Iterable[Column],
    errors: Mapping[int, str],
    index: Ints,
    windows: int,
    reference: Reference,
) -> list[Profile]:
    """One profile for each of some windows.

    Args:
        columns: features and outputs, each of the same number of rows.
        errors: type of the exception by row.
        index: `[rows]`, the window of each row, from 0.
        windows: how many there are.
        reference: where values are counted; its own counts do not matter.
    """
    named = by_name(columns)
    rows = np.bincount(index, minlength=windows)
    failed = np.bincount(index[list(errors)], minlength=windows)
    counts: list[Ints] = []
    sums: list[Ints] = []
    missing: list[tuple[int, NDArray[np.bool_]]] = []
    for position, column in enumerate(reference.columns):
        mine = named.get((column.spec.role, column.spec.name), ())
        bins = len(column.bins)
        width = bins + len(Missing)
        cells = _cells(mine, column, len(index))
        places = index * width + cells if windows > 1 else cells
        counted = np.bincount(places, minlength=windows * width).reshape(windows, width)
        counts.append(counted)
        sums.append(_sums(mine, column, places, windows))
        unseen = bins + Missing.UNSEEN
        if column.spec.role == "feature" and counted[:, bins:unseen].any():
            missing.append((position, (cells >= bins) & (cells < unseen)))
    together = count_together(missing, index, windows)
    kinds = len(Missing)
    return [
        Profile(
            int(rows[w]),
            int(failed[w]),
            tuple(each[w, :-kinds] for each in counts),
            np.array([each[w, -kinds:] for each in counts], np.int64).reshape(-1, kinds),
            tuple(each[w] for each in sums),
            together[w],
        )
        for w in range(windows)
    ]


def by_name(columns: Iterable[Column]) -> dict[tuple[Role, str], list[Column]]:
    named: dict[tuple[Role, str], list[Column]] = {}
    for column in columns:
        named.setdefault((column.role, column.name), []).append(column)
    return named


def _sums(
    columns: Iterable[Column], reference: ReferenceColumn, places: Ints, windows: int
) -> Ints:
    """For each window and bin the sum of its values, in fixed point: int64 `[windows, bins]`."""
    bins, scale = len(reference.bins), reference.scale
    if scale is None:
        return np.empty((windows, 0), np.int64)
    width = bins + len(Missing)
    for column in columns:
        if column.type == "number" and column.values.ndim == 1:
            # What stands where there is no value ends up beyond the bins.
            sums = np.bincount(places, scale.fixed(column.values), minlength=windows * width)
            return sums.reshape(windows, width)[:, :bins].astype(np.int64)
    return np.zeros((windows, bins), np.int64)


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
