"""One feature or output of many predictions, brought to the type that it has in the archive."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kedge.archive.columns import ArchiveType, width
from kedge.contracts import Column
from kedge.contracts.predictions import State
from kedge.profile.bins import as_text

WHY: Final = ("", "absent", "null", "nan", "empty", "imputed")
"""Why a row has no usable value, by code; 0 where it has one. Order and names as in `KINDS`."""
ABSENT, NULL, NAN, EMPTY, IMPUTED = range(1, 6)

_WHY_OF_STATE = np.array([0, ABSENT, NULL, IMPUTED], np.uint8)  # by `State`

Mask = NDArray[np.bool_]


class Cells:
    """The values of one feature or output, row by row.

    Args:
        rows: how many there are; all are absent at first.
        type_: what type it has in the archive.
    """

    def __init__(self, rows: int, type_: ArchiveType) -> None:
        self.type: ArchiveType = type_
        self.why = np.full(rows, ABSENT, np.uint8)
        self.untyped: dict[int, str] = {}
        self._filled = np.zeros(rows, bool)
        self._codes: dict[str, int] = {}
        self._vectors: dict[int, NDArray[np.float64]] = {}
        dtype = {"number": np.float64, "boolean": np.bool_, "text": np.int32}.get(type_)
        self._values = np.zeros(rows if dtype else 0, dtype)

    def put(self, start: int, column: Column) -> None:
        """Take the values of `column`, whose first row is row `start` here."""
        there = column.states != State.ABSENT
        if not there.any():
            return
        if width(column) == 1 and self.type != "vector":
            column = replace(column, values=column.values.reshape(-1))
        span = slice(start, start + len(there))
        why = _WHY_OF_STATE[column.states]
        present = there & (column.states != State.NULL)
        nan, empty = self._nothing(column, present)
        usable = column.states == State.VALUE
        why[nan & usable] = NAN
        why[empty & usable] = EMPTY
        fits = self._take(start, column, present & ~nan if self._drops_nan(column) else present)
        again = there & (self.why[span] != ABSENT)
        for row in (start + np.flatnonzero(again)).tolist():
            # The name came twice in one message, with a value each time: the later one holds.
            self.untyped.pop(row, None)
        self.why[span][there] = why[there]
        self._filled[span][there] = fits[there]
        for row, text in _texts(column, present & ~nan & ~empty & ~fits):
            self.untyped[start + row] = text

    def _drops_nan(self, column: Column) -> bool:
        """Whether NaN of `column` is no value here: only a number, or part of a vector, can be."""
        return column.values.ndim == 1 and self.type not in ("number", "vector")

    def _take(self, start: int, column: Column, wanted: Mask) -> Mask:
        """Keep the values of the rows `wanted` that have this type; which ones these are."""
        if not wanted.any():
            return wanted
        values = column.values
        mine = self._values[start : start + len(wanted)]
        if self.type == "vector" and column.type == "number":
            for row in np.flatnonzero(wanted).tolist():
                self._vectors[start + row] = values[row].reshape(-1)
            return wanted
        if values.ndim > 1 or self.type in ("vector", "map"):
            return np.zeros_like(wanted)
        if self.type == "text":
            texts, codes = as_text(column)
            used = np.unique(codes[wanted])
            lookup = np.zeros(len(texts), np.int32)
            lookup[used] = [
                self._codes.setdefault(texts[code], len(self._codes)) for code in used.tolist()
            ]
            mine[wanted] = lookup[codes[wanted]]
            return wanted
        if self.type == "boolean" and column.type == "number":
            # Data frames make 0 and 1 of truth values; profiles understand that too.
            wanted = wanted & ((values == 0) | (values == 1))
            mine[wanted] = values[wanted] == 1
            return wanted
        if column.type != self.type:
            return np.zeros_like(wanted)
        mine[wanted] = values[wanted]
        return wanted

    def _nothing(self, column: Column, present: Mask) -> tuple[Mask, Mask]:
        """Which of the rows that have a value have NaN, and which the empty text."""
        none = np.zeros_like(present)
        if column.type == "number":
            if column.values.ndim == 1:
                return present & np.isnan(column.values), none
            if self.type == "vector":
                return present & np.isnan(column.values).any(axis=1), none
        if column.type == "text" and "" in column.dictionary:
            empty = np.array([not text for text in column.dictionary])
            return none, present & empty[np.clip(column.values, 0, len(empty) - 1)]
        return none, none

    def to_arrow(self) -> pa.Array:
        without = ~self._filled
        if self.type == "text":
            codes = pa.array(self._values, pa.int32(), mask=without)
            return pa.DictionaryArray.from_arrays(codes, pa.array(list(self._codes), pa.string()))
        if self.type == "vector":
            return self._lists()
        return pa.array(self._values, mask=without)

    def _lists(self) -> pa.Array:
        rows = np.flatnonzero(self._filled)
        lengths = np.zeros(len(self._filled) + 1, np.int64)
        lengths[rows + 1] = [len(self._vectors[row]) for row in rows.tolist()]
        flat = [self._vectors[row] for row in rows.tolist()]
        values = np.concatenate([np.empty(0), *flat])
        return pa.ListArray.from_arrays(
            pa.array(np.cumsum(lengths), pa.int32()), pa.array(values), mask=pa.array(~self._filled)
        )


def _texts(column: Column, rows: Mask) -> list[tuple[int, str]]:
    """The values of some rows as text."""
    wanted = np.flatnonzero(rows).tolist()
    if not wanted:
        return []
    if column.values.ndim > 1:
        return [(row, json.dumps(column.values[row].tolist())) for row in wanted]
    texts, codes = as_text(column)
    return [(row, texts[codes[row]]) for row in wanted]


def map_array(rows: int, entries: list[tuple[str, NDArray[np.int64], Any]]) -> pa.Array:
    """A map of name to text for each row.

    Args:
        rows: how many there are.
        entries: name, the rows that have it, and their values: an Arrow array of texts.
    """
    offsets, order, names = _grouped(rows, [(name, index) for name, index, _ in entries])
    if not entries:
        values = pa.array([], pa.string())
    else:
        values = pa.concat_arrays([each for *_, each in entries]).take(pa.array(order))
    return pa.MapArray.from_arrays(offsets, names, values)


def list_array(rows: int, entries: list[tuple[str, NDArray[np.int64]]]) -> pa.Array:
    """A list of names for each row; see `map_array`."""
    offsets, _, names = _grouped(rows, entries)
    return pa.ListArray.from_arrays(offsets, names)


def _grouped(
    rows: int, entries: list[tuple[str, NDArray[np.int64]]]
) -> tuple[pa.Array, NDArray[np.int64], pa.Array]:
    """Offsets of each row's entries, the order that brings them together, and their names."""
    index = np.concatenate([np.empty(0, np.int64), *(each for _, each in entries)])
    order = np.argsort(index, kind="stable")
    which = np.repeat(np.arange(len(entries)), [len(each) for _, each in entries])[order]
    names = pa.array([name for name, _ in entries], pa.string()).take(pa.array(which))
    counts = np.bincount(index, minlength=rows)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return pa.array(offsets, pa.int32()), order, names
