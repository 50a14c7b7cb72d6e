"""Where each value of a column is counted: in a bin, or by the kind of missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column
from kedge.contracts.predictions import Floats, Ints, State
from kedge.profile.bins import BOOLEAN_CATEGORIES, Bins, as_text
from kedge.profile.missing import Missing
from kedge.profile.reference import ReferenceColumn
from kedge.profile.vectors import VectorScale

_FEW_EDGES = 32

# As plain numbers: to look up a member of an enumeration takes as long as to count 100 values.
_ABSENT, _NULL, _NAN, _EMPTY, _IMPUTED, _WRONG_TYPE, _OUT_OF_RANGE, _UNSEEN = map(int, Missing)
_VALUE_STATE, _NULL_STATE, _IMPUTED_STATE = map(int, (State.VALUE, State.NULL, State.IMPUTED))


def cells_of(columns: Sequence[Column], reference: ReferenceColumn, rows: int) -> Ints:
    """For each row its bin, or the number of bins plus the kind of missing."""
    bins = len(reference.bins)
    cells = np.full(rows, bins + _ABSENT, np.int64)
    for column in columns:
        states = column.states
        if not states.any():
            cells = _value_cells(column, reference)
            continue
        np.putmask(cells, states == _NULL_STATE, bins + _NULL)
        np.putmask(cells, states == _IMPUTED_STATE, bins + _IMPUTED)
        there = states == _VALUE_STATE
        if there.any():
            np.copyto(cells, _value_cells(column, reference), where=there)
    return cells


def _value_cells(column: Column, reference: ReferenceColumn) -> Ints:
    """As `cells_of`, as though every row had a value."""
    spec, bins = reference.spec, len(reference.bins)
    if spec.type == "categorical" and column.values.ndim == 1:
        return _category_cells(column, reference.bins)
    if column.type == "text":
        kinds = [_WRONG_TYPE if text else _EMPTY for text in column.dictionary] or [_WRONG_TYPE]
        return bins + np.array(kinds, np.int64).take(column.values, mode="clip")
    if spec.type == "boolean" and column.values.ndim == 1:
        if column.type == "boolean":
            return column.values.astype(np.int64)
        return _truth_cells(column.values)
    if spec.type == "vector" and column.values.ndim > 1:
        return _vector_cells(column.values, reference)
    if spec.type != "numeric" or column.type != "number" or column.values.ndim > 1:
        return np.full(len(column.states), bins + _WRONG_TYPE, np.int64)
    return _numeric_cells(column.values, reference)


def _numeric_cells(values: Floats, reference: ReferenceColumn) -> Ints:
    spec, bins = reference.spec, len(reference.bins)
    cells = _bins_of(values, reference.bins.edges)
    if not np.isfinite(values).all():
        np.putmask(cells, np.isinf(values), bins + _OUT_OF_RANGE)
        np.putmask(cells, np.isnan(values), bins + _NAN)
    if spec.minimum is not None:
        np.putmask(cells, values < spec.minimum, bins + _OUT_OF_RANGE)
    if spec.maximum is not None:
        np.putmask(cells, values > spec.maximum, bins + _OUT_OF_RANGE)
    return cells


def _bins_of(values: Floats, edges: Floats) -> Ints:
    if len(edges) > _FEW_EDGES:
        return np.searchsorted(edges, values, side="right").astype(np.int64)
    # Many times as fast: comparing with all of them needs no branches.
    over: NDArray[np.int8] = np.less_equal.outer(edges, values).view(np.int8)
    cells: Ints = over.sum(axis=0, dtype=np.int8).astype(np.int64)
    return cells


def _vector_cells(vectors: Floats, reference: ReferenceColumn) -> Ints:
    """Vectors have one bin. Without a scale, the reference does not say which length is right."""
    bins, scale = len(reference.bins), reference.scale
    if isinstance(scale, VectorScale) and vectors.shape[1] != scale.width:
        return np.full(len(vectors), bins + _WRONG_TYPE, np.int64)
    cells = np.zeros(len(vectors), np.int64)
    np.putmask(cells, np.isinf(vectors).any(axis=1), bins + _OUT_OF_RANGE)
    np.putmask(cells, np.isnan(vectors).any(axis=1), bins + _NAN)
    return cells


def _truth_cells(values: Floats) -> Ints:
    """Numbers where truth values are due: 0 and 1 are understood, as data frames make them."""
    bins = len(BOOLEAN_CATEGORIES)
    cells = np.full(len(values), bins + _WRONG_TYPE, np.int64)
    for truth in (0, 1):
        cells[values == truth] = truth
    cells[np.isnan(values)] = bins + _NAN
    return cells


def _category_cells(column: Column, bins: Bins) -> Ints:
    position = {category: i for i, category in enumerate(bins.categories)}
    nothing = len(bins) + (_NAN if column.type == "number" else _EMPTY)
    unseen = len(bins) + _UNSEEN
    texts, codes = (
        (column.dictionary or ("",), column.values) if column.type == "text" else as_text(column)
    )

    def cell(text: str) -> int:
        if not text:
            return nothing
        if text in position:
            return position[text]
        return bins.in_tail(text) if bins.tail else unseen

    lookup = np.array([cell(text) for text in texts], np.int64)
    return lookup.take(codes, mode="clip")
