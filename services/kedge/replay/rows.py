"""Pure: rows of the archive as the messages that they came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch, Record, Role, State, Tags
from kedge.sdk.ids import packed

_KINDS: dict[Role, tuple[str, str, str]] = {
    "feature": ("features", "missing", "untyped"),
    "output": ("outputs", "missing_outputs", "untyped_outputs"),
}
_TAGS = ("model", "model_version", "code_version", "release", "environment")
_PLACE = ("kafka_partition", "kafka_offset", *_TAGS)


@dataclass(frozen=True, slots=True)
class Logged:
    """Predictions that came in one message.

    Attributes:
        due: when they are to be sent, in the time of events: microseconds since 1970 UTC.
        partition: that they came from.
        batch: the predictions.
    """

    due: int
    partition: int
    batch: PredictionBatch


@dataclass(frozen=True, slots=True)
class LoggedOutcome:
    """An outcome; `record` is as in its contract, the others as in `Logged`."""

    due: int
    partition: int
    record: Record


def logged(rows: pa.RecordBatch) -> Iterator[Logged]:
    """The messages of some rows of the view `predictions`, whole messages in the order of the log.

    A value that was of another type than its column comes as text, as the archive has it, and so
    counts as what it was: of the wrong type.
    """
    places = [_codes(rows.column(name)) for name in _PLACE]
    changed = np.any([np.diff(place) != 0 for place in places], axis=0)
    starts = np.flatnonzero(np.concatenate([[True], changed]))
    ends = [*starts[1:].tolist(), rows.num_rows]
    columns = [*_columns(rows, "feature"), *_columns(rows, "output")]
    ids = rows.column("id").to_pylist()
    times = _integers(rows.column("event_time"))
    due = _integers(rows.column("due"))
    latencies = rows.column("latency_ms").fill_null(np.nan).to_numpy(zero_copy_only=False)
    errors = rows.column("error").to_pylist()
    for start, end in zip(starts.tolist(), ends, strict=True):
        span = slice(start, end)
        yield Logged(
            int(due[start]),
            rows.column("kafka_partition")[start].as_py(),
            PredictionBatch(
                Tags(*(rows.column(name)[start].as_py() for name in _TAGS)),
                packed(ids[span]),
                times[span],
                latencies[span].astype(np.float32),
                tuple(each for column in columns if (each := _cut(column, span)) is not None),
                {row: error for row, error in enumerate(errors[span]) if error is not None},
            ),
        )


def logged_outcomes(rows: pa.RecordBatch) -> Iterator[LoggedOutcome]:
    """The outcomes of some rows of the view `outcomes`."""
    known_at, due = _integers(rows.column("known_at")), _integers(rows.column("due"))
    names = ("prediction_id", "model", "environment", "kafka_partition", "truth", "truth_text",
             "truth_vector", "truth_type")  # fmt: skip
    for row, (prediction, model, environment, partition, number, text, vector, type_) in enumerate(
        zip(*(rows.column(name).to_pylist() for name in names), strict=True)
    ):
        truth = {"text": text, "vector": vector, "number": _number(number, text)}.get(type_)
        yield LoggedOutcome(
            int(due[row]),
            partition,
            {
                "prediction_id": prediction,
                "model": model,
                "environment": environment,
                "known_at": int(known_at[row]),
                "truth": bool(number) if type_ == "boolean" else truth,
            },
        )


def _number(number: float | None, text: str | None) -> float | int | None:
    """The truth as it came: a long may have more digits than the column of floats."""
    try:
        return int(text or "")
    except ValueError:
        return number


def _columns(rows: pa.RecordBatch, role: Role) -> Iterator[Column]:
    """The columns of all rows; of one name, first the one of the archive's type."""
    struct, missing_map, untyped_map = _KINDS[role]
    count = rows.num_rows
    missing = _by_name(rows.column(missing_map))
    untyped = _by_name(rows.column(untyped_map))
    imputed = _imputed(rows) if role == "feature" else {}
    values = rows.column(struct)
    typed: dict[str, pa.Array] = {}
    if pa.types.is_struct(values.type):
        typed = dict(zip((field.name for field in values.type), values.flatten(), strict=True))
    others = (missing.keys() | untyped.keys() | imputed.keys()) - typed.keys()
    for name in [*typed, *sorted(others)]:
        why_rows, why_texts = missing.get(name, _NOTHING)
        why = np.full(count, "", dtype=object)
        why[why_rows] = why_texts
        filled = np.zeros(count, bool)
        filled[imputed.get(name, [])] = True
        filled |= why == "imputed"
        other = np.full(count, None, dtype=object)
        other_rows, other_texts = untyped.get(name, _NOTHING)
        other[other_rows] = other_texts
        other[why == "empty"] = ""
        has_other = why == "empty"
        has_other[other_rows] = True
        own = list(_typed(name, role, typed[name])) if name in typed else []
        valued = np.zeros(count, bool)
        for column in own:
            valued |= column.states == State.VALUE
        nan = (why == "nan") & ~valued
        texts = _text_column(name, role, other, ~valued & has_other)
        numbers = Column(name, role, "number", _states(nan), np.full(count, np.nan))
        all_ = [*own, texts, numbers]
        # What has no value at all stands in the first of them; but a text that was filled in would
        # have to be in the dictionary.
        without = ~valued & (texts.states == State.ABSENT) & ~nan
        all_[0].states[without & (why == "null")] = State.NULL
        holder = numbers if all_[0].type == "text" else all_[0]
        holder.states[without & filled] = State.IMPUTED
        for column in all_:
            column.states[filled & (column.states == State.VALUE)] = State.IMPUTED
            yield column


def _typed(name: str, role: Role, values: pa.Array) -> Iterator[Column]:
    """The values of the archive's own type; vectors of each length apart."""
    there = values.is_valid().to_numpy(zero_copy_only=False)
    type_ = values.type
    if pa.types.is_list(type_):
        lengths = values.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
        for length in sorted(set(lengths[there].tolist())):
            mine = lengths == length
            flat = values.filter(pa.array(mine)).flatten()
            vectors = np.full((len(there), length), np.nan)
            vectors[mine] = flat.to_numpy(zero_copy_only=False).reshape(-1, length)
            yield Column(name, role, "number", _states(mine), _narrow(vectors))
    elif pa.types.is_boolean(type_):
        data = values.fill_null(fill_value=False).to_numpy(zero_copy_only=False)
        yield Column(name, role, "boolean", _states(there), data)
    elif pa.types.is_string(type_) or pa.types.is_large_string(type_):
        encoded = values.dictionary_encode()
        codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        words = tuple(encoded.dictionary.to_pylist())
        yield Column(name, role, "text", _states(there), codes.astype(np.int32), words)
    else:
        numbers = values.cast(pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        yield Column(name, role, "number", _states(there), numbers)


def _narrow(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """On the wire, a vector of one number is that number."""
    return vectors.reshape(-1) if vectors.shape[1] == 1 else vectors


def _text_column(name: str, role: Role, texts: NDArray[Any], there: NDArray[np.bool_]) -> Column:
    words, codes = np.unique(texts[there].astype(str), return_inverse=True)
    values = np.zeros(len(there), np.int32)
    values[there] = codes
    return Column(name, role, "text", _states(there), values, tuple(words.tolist()))


def _states(there: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.where(there, np.uint8(State.VALUE), np.uint8(State.ABSENT))


def _cut(column: Column, span: slice) -> Column | None:
    """Some rows of a column; None where they have nothing in it, not even a null."""
    states = column.states[span]
    if (states == State.ABSENT).all():
        return None
    values = column.values[span]
    if column.type != "text":
        return replace(column, states=states, values=values)
    # With the words of these rows only.
    used, codes = np.unique(values, return_inverse=True)
    words = tuple(
        column.dictionary[code] for code in used.tolist() if code < len(column.dictionary)
    )
    return replace(column, states=states, values=codes.astype(np.int32), dictionary=words)


_NOTHING: tuple[NDArray[np.int64], list[Any]] = (np.empty(0, np.int64), [])


def _by_name(maps: pa.Array) -> dict[str, tuple[NDArray[np.int64], list[Any]]]:
    """Of a column of maps, for each key the rows that have it, and their values."""
    entries = maps.offsets.to_numpy()
    rows = np.repeat(np.arange(len(maps)), np.diff(entries))
    span = slice(int(entries[0]), int(entries[-1]))
    keys, items = maps.keys[span].to_pylist(), maps.items[span].to_pylist()
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for row, key, item in zip(rows.tolist(), keys, items, strict=True):
        mine = found.setdefault(key, ([], []))
        mine[0].append(row)
        mine[1].append(item)
    return {key: (np.array(at, np.int64), values) for key, (at, values) in found.items()}


def _imputed(rows: pa.RecordBatch) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for row, names in enumerate(rows.column("imputed").to_pylist()):
        for name in names or ():
            found.setdefault(name, []).append(row)
    return found


def _integers(values: pa.Array) -> NDArray[np.int64]:
    integers: NDArray[np.int64] = values.view(pa.int64()).to_numpy(zero_copy_only=False)
    return integers


def _codes(values: pa.Array) -> NDArray[Any]:
    """Numbers that are equal where the values are."""
    if pa.types.is_integer(values.type):
        codes: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return codes
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    indices: NDArray[Any] = encoded.indices.to_numpy(zero_copy_only=False)
    return indices
