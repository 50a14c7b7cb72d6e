"""Bins: where the values of a column are counted."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from kedge.contracts import Column
from kedge.contracts.predictions import Floats, Ints, State
from kedge.profile.signature import ColumnSpec

BOOLEAN_CATEGORIES = ("false", "true")

TAIL = 32
"""Bins that the categories without one of their own share."""


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Where a value is counted.

    Attributes:
        edges: numeric: float64, ascending, inner edges. Bin i holds the values with i edges at or
            below them, so the first and the last bin are open-ended.
        categories: categorical and boolean: the category of each bin.
        tail: number of bins after those of the categories. A category without a bin of its own is
            counted in one of them; without a tail it counts as unseen.
    """

    edges: Floats
    categories: tuple[str, ...] = ()
    tail: int = 0

    def __len__(self) -> int:
        return len(self.categories) + self.tail or len(self.edges) + 1

    def in_tail(self, category: str) -> int:
        """The bin of a category without one of its own: by its CRC-32, so everywhere the same."""
        return len(self.categories) + zlib.crc32(category.encode()) % self.tail


def bins_for(spec: ColumnSpec, columns: Iterable[Column], most: int, most_categories: int) -> Bins:
    """Bins of one column from the data of the reference.

    Numbers with more distinct values than `most` get quantile bins; with fewer, a bin for each
    value and one on either side, so that a constant feature that moves is seen. Categories get a
    bin each, in their order or the most frequent first. Where there are more than
    `most_categories`, the rest, and what comes new, shares `TAIL` bins: a drift among a million
    categories is seen there, and "unseen" means nothing.

    Args:
        spec: what the column has to be.
        columns: all that is named so.
        most: number of quantile bins.
        most_categories: how many categories without an order get a bin of their own.
    """
    if spec.type == "boolean":
        return Bins(np.empty(0), BOOLEAN_CATEGORIES)
    if spec.type == "vector":
        return Bins(np.empty(0))
    if spec.type == "categorical":
        if spec.order:
            return Bins(np.empty(0), spec.order)
        categories = _categories(columns)
        tail = TAIL if len(categories) > most_categories else 0
        return Bins(np.empty(0), categories[:most_categories], tail)
    return Bins(_edges(numbers_of(spec, columns), most))


def numbers_of(spec: ColumnSpec, columns: Iterable[Column]) -> Floats:
    """The usable numbers of a column: finite and in its range."""
    values: Floats = np.concatenate(
        [np.empty(0)]
        + [
            column.values[column.states == State.VALUE]
            for column in columns
            if column.type == "number" and column.values.ndim == 1
        ]
    )
    usable = np.isfinite(values)
    if spec.minimum is not None:
        usable &= values >= spec.minimum
    if spec.maximum is not None:
        usable &= values <= spec.maximum
    return values[usable]


def vectors_of(columns: Iterable[Column]) -> Floats:
    """The finite vectors of a column that have its most frequent length, `[rows, width]`."""
    by_width: dict[int, list[Floats]] = {}
    for column in columns:
        if column.values.ndim > 1:
            vectors = column.values[column.states == State.VALUE]
            finite = vectors[np.isfinite(vectors).all(axis=1)]
            by_width.setdefault(vectors.shape[1], []).append(finite)
    alike = [np.concatenate(parts) for _, parts in sorted(by_width.items())]
    return max(alike, key=len, default=np.empty((0, 0)))


def _edges(values: Floats, most: int) -> Floats:
    distinct = np.unique(values)
    if len(distinct) == 0:
        return np.empty(0)
    if len(distinct) <= most:
        return np.append(distinct, np.nextafter(distinct[-1], np.inf))
    return np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))


def _categories(columns: Iterable[Column]) -> tuple[str, ...]:
    """The most frequent first."""
    totals: dict[str, int] = {}
    for column in columns:
        names, codes = as_text(column)
        counted = np.bincount(codes[column.states == State.VALUE], minlength=len(names))
        for name, count in zip(names, counted.tolist(), strict=True):
            if name and count:
                totals[name] = totals.get(name, 0) + count
    # Ties by name, so that the same data gives the same bins.
    return tuple(sorted(totals, key=lambda name: (-totals[name], name)))


def as_text(column: Column) -> tuple[tuple[str, ...], Ints]:
    """The texts of a column and the index of each row's.

    A number is written without a fraction where it has none, a truth value as false or true, and
    NaN as the empty text.

    Returns:
        The distinct texts, and int64 `[rows]`; what stands where there is no value is any index.
    """
    if column.type == "text":
        return column.dictionary or ("",), np.clip(column.values.astype(np.int64), 0, None)
    if column.type == "boolean":
        return BOOLEAN_CATEGORIES, column.values.astype(np.int64)
    if column.values.ndim > 1:
        raise ValueError(f"{column.role} `{column.name}` is a vector, not a category")
    distinct, codes = np.unique(column.values, return_inverse=True)
    return tuple(_number_text(value) for value in distinct.tolist()), codes.astype(np.int64)


def _number_text(value: float) -> str:
    if value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
