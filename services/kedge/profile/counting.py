"""Predictions counted on the bins of a reference, window by window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch, Role
from kedge.contracts.predictions import Floats, Ints, State
from kedge.profile.cells import cells_of
from kedge.profile.distinct import registers_of
from kedge.profile.expectation import Estimator, Expectation, expectations
from kedge.profile.missing import Missing
from kedge.profile.operations import count_operations
from kedge.profile.profile import Profile
from kedge.profile.reference import Reference, ReferenceColumn
from kedge.profile.scale import Scale, fixed
from kedge.profile.together import count_together
from kedge.profile.vectors import VectorScale

_KINDS, _UNSEEN = len(Missing), int(Missing.UNSEEN)

Named = Mapping[tuple[Role, str], Sequence[Column]]
"""The columns of a batch by role and name; a name has several where it has several types."""


def count_windows(
    batch: PredictionBatch, reference: Reference, window: int, estimator: Estimator | None = None
) -> dict[int, Profile]:
    """One profile for each base window that the batch has rows in.

    Args:
        batch: predictions of one release.
        reference: of that release's model version.
        window: length of a base window, in microseconds.
        estimator: of the performance without labels; without one, nothing is expected.

    Returns:
        Profiles by the start of the window, microseconds since 1970 UTC.
    """
    starts, index = np.unique(batch.event_times // window * window, return_inverse=True)
    named = by_name(batch.columns)
    profiles = count(named, batch.errors, index, len(starts), reference, estimator=estimator)
    operations = count_operations(batch.latencies_ms, batch.errors, index, len(starts))
    return {
        start: replace(profile, operations=part)
        for start, profile, part in zip(starts.tolist(), profiles, operations, strict=True)
    }


def by_name(columns: Iterable[Column]) -> Named:
    named: dict[tuple[Role, str], list[Column]] = {}
    for column in columns:
        named.setdefault((column.role, column.name), []).append(column)
    return named


def count(
    named: Named,
    errors: Mapping[int, str],
    index: Ints,
    windows: int,
    reference: Reference,
    *,
    estimator: Estimator | None = None,
) -> list[Profile]:
    """One profile for each of some windows.

    Args:
        named: features and outputs, each of the same number of rows.
        errors: type of the exception by row.
        index: `[rows]`, the window of each row, from 0.
        windows: how many there are.
        reference: where values are counted; its own counts do not matter.
        estimator: as for `count_windows`.
    """
    rows = np.bincount(index, minlength=windows)
    failed = np.bincount(index[list(errors)], minlength=windows)
    counts: list[Ints] = []
    all_cells: list[Ints] = []
    places: list[Ints] = []
    missing: list[tuple[int, NDArray[np.bool_]]] = []
    unusable: dict[int, NDArray[np.bool_]] = {}
    for position, column in enumerate(reference.columns):
        bins = len(column.bins)
        width = bins + _KINDS
        cells = cells_of(named.get(column.spec.key, ()), column, len(index))
        all_cells.append(cells)
        places.append(index * width + cells if windows > 1 else cells)
        counted = np.bincount(places[-1], minlength=windows * width).reshape(windows, width)
        counts.append(counted)
        if not counted[:, bins:].any():
            continue
        unusable[position] = none = cells >= bins
        if column.spec.role == "feature":
            if counted[:, -1].any():
                none = none & (cells < bins + _UNSEEN)
            missing.append((position, none))
    together = count_together(missing, index, windows)
    distances = standardised(named, unusable, len(index), reference)
    sums = [np.empty((windows, 0), np.int64)] * len(reference.columns)
    for at, position in enumerate(reference.numbers):
        column = reference.columns[position]
        sums[position] = _number_sums(column, places[position], distances[at], windows)
    for position, column in enumerate(reference.columns):
        if isinstance(column.scale, VectorScale):
            vectors = named.get(column.spec.key, ())
            sums[position] = _vector_sums(column.scale, vectors, index, windows)
    lost = _lost(distances, index, windows, reference)
    sketched = [named.get(reference.columns[at].spec.key, ()) for at in reference.sketched]
    registers = registers_of(sketched, index, windows)
    added = None if estimator is None else estimator.amounts(named, all_cells)
    expected = [Expectation()] * windows if added is None else expectations(added, index, windows)
    return [
        Profile(
            int(rows[w]),
            int(failed[w]),
            tuple(each[w, :-_KINDS] for each in counts),
            np.array([each[w, -_KINDS:] for each in counts], np.int64).reshape(-1, _KINDS),
            tuple(each[w] for each in sums),
            together[w],
            int(lost[w]),
            registers=registers[w],
            expectation=expected[w],
        )
        for w in range(windows)
    ]


def standardised(
    named: Named, unusable: Mapping[int, NDArray[np.bool_]], rows: int, reference: Reference
) -> Floats:
    """The numbers of all columns with a `Scale`, in fixed point, `[numbers, rows]`.

    Args:
        named: features and outputs.
        unusable: `[rows]` by position in the reference, where there is no usable value; 0 is there.
        rows: how many.
        reference: its `numbers` give the order.
    """
    numbers = reference.numbers
    values = np.zeros((len(numbers), rows))
    scales = np.empty((2, len(numbers), 1))
    for at, position in enumerate(numbers):
        column = reference.columns[position]
        assert isinstance(column.scale, Scale)
        scales[:, at, 0] = column.scale.center, column.scale.spread
        mine = [
            c for c in named.get(column.spec.key, ()) if c.type == "number" and c.values.ndim == 1
        ]
        for each in mine:
            there = True if len(mine) == 1 else each.states == State.VALUE
            np.copyto(values[at], each.values, where=there)
    distances = fixed(values, *scales)
    for at, position in enumerate(numbers):
        if position in unusable:
            distances[at, unusable[position]] = 0
    return distances


def _number_sums(column: ReferenceColumn, places: Ints, distances: Floats, windows: int) -> Ints:
    """The sum in each bin, `[windows, bins]`."""
    bins = len(column.bins)
    width = bins + _KINDS
    added = np.bincount(places, distances, windows * width)
    return added.reshape(windows, width)[:, :bins].astype(np.int64)


def _vector_sums(scale: VectorScale, columns: Sequence[Column], index: Ints, windows: int) -> Ints:
    """See `VectorScale.sums`, `[windows, length]`."""
    sums = np.zeros((windows, scale.length), np.int64)
    for column in columns:
        if column.values.shape[1:] == (scale.width,):
            usable = (column.states == State.VALUE) & np.isfinite(column.values).all(axis=1)
            for window in np.unique(index[usable]).tolist():
                sums[window] += scale.sums(column.values[usable & (index == window)])
    return sums


def _lost(distances: Floats, index: Ints, windows: int, reference: Reference) -> Floats | Ints:
    """The sum of the reconstruction errors in each window."""
    projection = reference.projection
    if projection is None:
        return np.zeros(windows)
    errors = projection.errors(distances[: projection.features])
    return np.bincount(index, errors, windows)
