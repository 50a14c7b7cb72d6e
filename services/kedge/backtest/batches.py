"""Archived rows as the predictions that they were, by column.

What the archive does not have does not matter to a profile: of a value of the wrong type, its type;
of one that the code filled in, what it was of another type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch, Role, Tags
from kedge.contracts.predictions import Bytes, State

_ROLES: tuple[tuple[Role, str, str, str], ...] = (
    ("feature", "features", "missing", "untyped"),
    ("output", "outputs", "missing_outputs", "untyped_outputs"),
)
_IMPUTED = "imputed"

# For each name, the rows that have an entry and the entries.
_Entries = dict[str, tuple[NDArray[np.int64], NDArray[Any]]]


def predictions_of(rows: pa.Table, tags: Tags) -> PredictionBatch:
    """Rows of the view `predictions` as a batch.

    Args:
        rows: of one release in one environment.
        tags: who predicted.
    """
    errors = rows["error"].combine_chunks()
    failed = np.flatnonzero(errors.is_valid().to_numpy(zero_copy_only=False)).tolist()
    return PredictionBatch(
        tags,
        rows["id"].to_pylist(),
        times_of(rows),
        _floats(rows["latency_ms"]).astype(np.float32),
        tuple(_columns(rows)),
        {row: errors[row].as_py() for row in failed},
    )


def times_of(rows: pa.Table) -> NDArray[np.int64]:
    """Event times, microseconds since 1970 UTC."""
    times: NDArray[np.int64] = rows["event_time"].cast(pa.int64()).to_numpy()
    return times


def _columns(rows: pa.Table) -> Iterator[Column]:
    for role, values, missing, untyped in _ROLES:
        kinds, others = _entries(rows[missing]), _entries(rows[untyped])
        filled = _listed(rows[_IMPUTED]) if role == "feature" else {}
        typed = _fields(rows[values])
        for name in sorted({*typed, *kinds, *others, *filled}):
            states = np.full(rows.num_rows, State.ABSENT, np.uint8)
            array = typed.get(name)
            if array is not None:
                states[array.is_valid().to_numpy(zero_copy_only=False)] = State.VALUE
            where, why = kinds.get(name, ((), np.empty(0, object)))
            marked = {kind: np.asarray(where, np.int64)[why == kind] for kind in set(why)}
            states[marked.get("null", [])] = State.NULL
            states[marked.get(_IMPUTED, [])] = State.IMPUTED
            states[filled.get(name, [])] = State.IMPUTED
            nans = marked.get("nan")
            apart = nans is not None and not _has_nans(array)
            if nans is not None:
                states[nans] = State.ABSENT if apart else State.VALUE
            yield from _typed(name, role, states, array)
            if nans is not None and apart:
                yield _nans(name, role, nans, rows.num_rows)
            yield from _texts(name, role, states, others.get(name), marked.get("empty"))


def _has_nans(array: pa.Array | None) -> bool:
    """Whether what the archive has there can be NaN: numbers, vectors, and nothing at all."""
    return array is None or pa.types.is_floating(array.type) or pa.types.is_list(array.type)


def _typed(name: str, role: Role, states: Bytes, array: pa.Array | None) -> Iterator[Column]:
    """What is there of the type that the archive has the column in."""
    if array is None or pa.types.is_floating(array.type):
        values = np.full(len(states), np.nan) if array is None else _floats(array)
        yield Column(name, role, "number", states, values)
    elif pa.types.is_boolean(array.type):
        truth = array.fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003 - what fills it
        yield Column(name, role, "boolean", states, truth)
    elif pa.types.is_list(array.type):
        yield from _vectors(name, role, states, array)
    else:
        encoded = array.cast(pa.string()).dictionary_encode()
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        dictionary = tuple(encoded.dictionary.to_pylist())
        yield Column(name, role, "text", states, codes.astype(np.int32), dictionary)


def _vectors(name: str, role: Role, states: Bytes, array: pa.Array) -> Iterator[Column]:
    """Vectors of each length apart."""
    lengths = pc.list_value_length(array).fill_null(-1).to_numpy(zero_copy_only=False)
    flat = array.flatten().to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(np.maximum(lengths, 0))[:-1]])
    widths = np.unique(lengths[lengths >= 0]).tolist()
    if not widths:
        yield Column(name, role, "number", states, np.full(len(states), np.nan))
    for width in widths:
        mine = np.flatnonzero(lengths == width)
        values = np.full((len(states), width), np.nan)
        values[mine] = flat[starts[mine][:, None] + np.arange(width)]
        own = np.full_like(states, State.ABSENT)
        own[mine] = states[mine]
        if width == widths[0]:
            without = (states == State.NULL) | (states == State.IMPUTED)
            own[without] = states[without]
        yield Column(name, role, "number", own, values)


def _nans(name: str, role: Role, where: NDArray[np.int64], rows: int) -> Column:
    states = np.full(rows, State.ABSENT, np.uint8)
    states[where] = State.VALUE
    return Column(name, role, "number", states, np.full(rows, np.nan))


def _texts(
    name: str,
    role: Role,
    filled: Bytes,
    other: tuple[NDArray[np.int64], NDArray[Any]] | None,
    empty: NDArray[np.int64] | None,
) -> Iterator[Column]:
    """What is there of another type, and the empty text where text is no value."""
    texts: dict[int, str] = {}
    if other is not None:
        texts.update(zip(other[0].tolist(), other[1].tolist(), strict=True))
    if empty is not None:
        texts.update(dict.fromkeys(empty.tolist(), ""))
    texts = {row: text for row, text in texts.items() if filled[row] == State.ABSENT}
    if not texts:
        return
    states = np.full(len(filled), State.ABSENT, np.uint8)
    codes = np.zeros(len(filled), np.int32)
    positions = {text: code for code, text in enumerate(dict.fromkeys(texts.values()))}
    for row, text in texts.items():
        states[row], codes[row] = State.VALUE, positions[text]
    yield Column(name, role, "text", states, codes, tuple(positions))


def _fields(column: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The fields of a struct by name."""
    array = _together(column)
    if not pa.types.is_struct(array.type):
        return {}
    return {field.name: array.field(field.name) for field in array.type}


def _entries(column: pa.ChunkedArray) -> _Entries:
    """A column of maps of name to text, by name."""
    array = _together(column)
    if pa.types.is_null(array.type) or not len(array):
        return {}
    rows = np.repeat(np.arange(len(array)), np.diff(array.offsets.to_numpy()))
    begin, end = array.offsets[0].as_py(), array.offsets[-1].as_py()
    keys, items = array.keys[begin:end], array.items[begin:end]
    return _by_name(rows, keys, items.to_numpy(zero_copy_only=False))


def _listed(column: pa.ChunkedArray) -> dict[str, NDArray[np.int64]]:
    """The rows whose list has a name, by name."""
    array = _together(column)
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(array)), lengths)
    found = _by_name(rows, array.flatten(), np.empty(len(rows), object))
    return {name: where for name, (where, _) in found.items()}


def _by_name(rows: NDArray[np.int64], names: pa.Array, items: NDArray[Any]) -> _Entries:
    if not len(rows):
        return {}
    encoded = names.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return {
        name: (rows[codes == code], items[codes == code])
        for code, name in enumerate(encoded.dictionary.to_pylist())
    }


def _together(column: pa.ChunkedArray) -> pa.Array:
    # Not `combine_chunks` alone: of a slice, the offsets begin anywhere.
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _floats(values: pa.Array | pa.ChunkedArray) -> NDArray[np.float64]:
    """NaN where there is none."""
    numbers: NDArray[np.float64] = values.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return numbers
