"""Predictions to bytes and back, in both forms: one record an event, and columnar."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.codec import UnreadableMessageError, decode, encode
from kedge.contracts.predictions import (
    Column,
    PredictionBatch,
    Producer,
    Role,
    State,
    Tags,
    columns_of,
)
from kedge.contracts.schemas import Record
from kedge.contracts.values import LONGEST_TEXT

_UUID_BYTES = 16
# The largest batch that is believed; far above what fits in a Kafka message of any sane limit.
_MOST_ROWS = 10_000_000
_MOST_COLUMNS = 100_000
"""Features and outputs of a message: beyond, it is no model's, and each would cost a kilobyte."""


def encode_batch(batch: PredictionBatch) -> bytes:
    """`batch` as one `prediction_batch` message."""
    tags = batch.tags
    return encode(
        "prediction_batch",
        {
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "rows": batch.rows,
            "ids": _packed_ids(batch.ids),
            "event_times": batch.event_times.astype("<i8", copy=False).tobytes(),
            "latencies_ms": None
            if np.isnan(batch.latencies_ms).all()
            else batch.latencies_ms.astype("<f4", copy=False).tobytes(),
            "columns": [_column_record(column) for column in batch.columns],
            "errors": [{"row": row, "error": error} for row, error in batch.errors.items()],
            "producer": _producer_record(batch.producer),
        },
    )


def decode_predictions(data: bytes | None) -> PredictionBatch:
    """The predictions of one message, whichever of the two forms it has.

    Raises:
        UnreadableMessageError: the bytes can't be read, or what they say can't be: the columns are
            not of one length, a row has two values in one feature, a prediction has no id, ….
    """
    name, record = decode(data, "prediction", "prediction_batch")
    return _from_rows([record]) if name == "prediction" else _from_batch(record)


def _tags(record: Record) -> Tags:
    # They become parts of keys and of every message that follows from this one.
    for name in ("model", "model_version", "code_version", "environment"):
        if len(record[name]) > LONGEST_TEXT:
            raise UnreadableMessageError(
                f"has {len(record[name])} characters of {name}, where {LONGEST_TEXT} can be"
            )
    return Tags(
        record["model"],
        record["model_version"],
        record["code_version"],
        record["release"],
        record["environment"],
    )


def _producer(record: Record) -> Producer | None:
    producer = record["producer"]
    return (
        None
        if producer is None
        else Producer(producer["id"], producer["sequence"], producer["dropped"])
    )


def _producer_record(producer: Producer | None) -> Record | None:
    if producer is None:
        return None
    return {"id": producer.id, "sequence": producer.sequence, "dropped": producer.dropped}


def _check_ids(ids: Sequence[str]) -> None:
    for row, name in enumerate(ids):
        if not 0 < len(name) <= LONGEST_TEXT:
            raise UnreadableMessageError(
                f"has an id of {len(name)} characters in row {row}, where 1 to {LONGEST_TEXT} "
                "can be"
            )


def _check_columns(columns: int) -> None:
    if columns > _MOST_COLUMNS:
        raise UnreadableMessageError(f"has {columns} columns, where {_MOST_COLUMNS} can be")


def _from_rows(records: list[Record]) -> PredictionBatch:
    first = records[0]
    _check_ids([record["id"] for record in records])
    for record in records:
        _check_columns(len(record["features"]) + len(record["outputs"]) + len(record["imputed"]))
    imputed = [record["imputed"] for record in records]
    return PredictionBatch(
        tags=_tags(first),
        ids=[record["id"] for record in records],
        event_times=np.array([record["event_time"] for record in records], np.int64),
        latencies_ms=_as_float32([record["latency_ms"] for record in records]),
        columns=(
            *columns_of(
                [record["features"] for record in records],
                "feature",
                imputed if any(imputed) else (),
            ),
            *columns_of([record["outputs"] for record in records], "output"),
        ),
        errors={
            row: error
            for row, record in enumerate(records)
            if (error := record["error"]) is not None
        },
        producer=_producer(first),
    )


def _as_float32(latencies: list[float | None]) -> NDArray[np.float32]:
    numbers = np.array([np.nan if ms is None else ms for ms in latencies], np.float64)
    # What is beyond these floats is infinite.
    with np.errstate(over="ignore"):
        return numbers.astype(np.float32)


def _from_batch(record: Record) -> PredictionBatch:
    _check_columns(len(record["columns"]))
    rows = record["rows"]
    if not 0 <= rows <= _MOST_ROWS:
        raise UnreadableMessageError(f"has {rows} rows, where 0 to {_MOST_ROWS} can be")
    errors = {item["row"]: item["error"] for item in record["errors"]}
    if beyond := [row for row in errors if not 0 <= row < rows]:
        raise UnreadableMessageError(f"names an error of row {beyond[0]} of {rows}")
    latencies = record["latencies_ms"]
    # First of all that has an entry a row: after it, `rows` is no more than the message is long.
    event_times = _unpacked(record["event_times"], "<i8", rows, "event_times")
    # Shared: a column that says nothing of its states is to cost nothing for them.
    all_values = np.zeros(rows, np.uint8)
    columns = tuple(_column(column, all_values) for column in record["columns"])
    _check_overlaps(columns)
    return PredictionBatch(
        tags=_tags(record),
        ids=_unpacked_ids(record["ids"], rows),
        event_times=event_times,
        latencies_ms=np.full(rows, np.nan, np.float32)
        if latencies is None
        else _unpacked(latencies, "<f4", rows, "latencies_ms"),
        columns=columns,
        errors=errors,
        producer=_producer(record),
    )


def _check_overlaps(columns: Sequence[Column]) -> None:
    """A name may come in several columns, but a row has something in at most one of them."""
    named: dict[tuple[str, str], list[Column]] = {}
    for column in columns:
        named.setdefault((column.role, column.name), []).append(column)
    for (role, name), same in named.items():
        if len(same) == 1:
            continue
        taken = np.zeros(len(same[0].states), bool)
        for column in same:
            there = column.states != State.ABSENT
            if (both := taken & there).any():
                raise UnreadableMessageError(
                    f"has two entries in row {int(both.argmax())} of {role} `{name}`"
                )
            taken |= there


def _unpacked(data: bytes, dtype: str, entries: int, what: str) -> NDArray[Any]:
    wanted = entries * np.dtype(dtype).itemsize
    if len(data) != wanted:
        raise UnreadableMessageError(f"has {len(data)} bytes in {what}, where {wanted} are due")
    return np.frombuffer(data, dtype)


def _packed_ids(ids: Sequence[str]) -> bytes | list[str]:
    if isinstance(ids, PackedIds):
        return ids.data
    try:
        packed = [uuid.UUID(name) for name in ids]
    except ValueError:
        return list(ids)
    # Only what reads back as it was written may be packed: UUIDs have other spellings too.
    if any(str(parsed) != name for parsed, name in zip(packed, ids, strict=True)):
        return list(ids)
    return b"".join(parsed.bytes for parsed in packed)


def _unpacked_ids(ids: bytes | list[str], rows: int) -> Sequence[str]:
    if isinstance(ids, list):
        if len(ids) != rows:
            raise UnreadableMessageError(f"has {len(ids)} ids for {rows} rows")
        _check_ids(ids)
        return ids
    if len(ids) != rows * _UUID_BYTES:
        raise UnreadableMessageError(
            f"has {len(ids)} bytes of ids, where {rows * _UUID_BYTES} are due"
        )
    return PackedIds(ids)


class PackedIds(Sequence[str]):
    """UUIDs, 16 bytes each, that become text only when somebody looks: the profiler never does."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data) // _UUID_BYTES

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        start = index % len(self) * _UUID_BYTES
        return str(uuid.UUID(bytes=self.data[start : start + _UUID_BYTES]))


def _column_record(column: Column) -> Record:
    values: tuple[str, Record]
    if column.type == "number":
        width = column.values.shape[1] if column.values.ndim > 1 else 1
        packed = column.values.astype("<f8", copy=False).tobytes()
        values = ("io.kedge.Numbers", {"data": packed, "width": width})
    elif column.type == "boolean":
        values = ("io.kedge.Booleans", {"data": column.values.astype(np.uint8).tobytes()})
    else:
        values = (
            "io.kedge.Texts",
            {
                "dictionary": list(column.dictionary),
                "codes": column.values.astype("<i4", copy=False).tobytes(),
            },
        )
    return {
        "name": column.name,
        "role": column.role,
        "states": column.states.tobytes() if column.states.any() else None,
        "values": values,
    }


def _column(record: Record, all_values: NDArray[np.uint8]) -> Column:
    rows = len(all_values)
    name, role, values = record["name"], record["role"], record["values"]
    what = f"{role} `{name}`"
    if record["states"] is None:
        states = all_values
    else:
        states = _unpacked(record["states"], "|u1", rows, f"the states of {what}")
        if rows and states.max() > State.IMPUTED:
            raise UnreadableMessageError(f"has a state of {states.max()} in {what}; 0 to 3 exist")
    if "codes" in values:
        return _text_column(name, role, states, values, what)
    if "width" not in values:
        data = _unpacked(values["data"], "|u1", rows, what)
        return Column(name, role, "boolean", states, data.astype(bool))
    width = values["width"]
    if width < 0 or (width == 0 and values["data"]):
        raise UnreadableMessageError(f"has vectors of length {width} in {what}")
    data = _unpacked(values["data"], "<f8", rows * width, what)
    return Column(name, role, "number", states, data if width == 1 else data.reshape(rows, width))


def _text_column(
    name: str, role: Role, states: NDArray[np.uint8], values: Record, what: str
) -> Column:
    codes = _unpacked(values["codes"], "<i4", len(states), what)
    dictionary = tuple(values["dictionary"])
    used = codes[(states == State.VALUE) | (states == State.IMPUTED)]
    if len(used) and not (used.min() >= 0 and used.max() < len(dictionary)):
        raise UnreadableMessageError(
            f"has a code of {used.min() if used.min() < 0 else used.max()} in {what}, "
            f"whose dictionary has {len(dictionary)} entries"
        )
    return Column(name, role, "text", states, codes, dictionary)
