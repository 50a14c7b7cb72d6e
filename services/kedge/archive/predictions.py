"""Predictions, in both forms of message, as rows of the archive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kedge.archive.cells import ABSENT, IMPUTED, WHY, Cells, list_array, map_array
from kedge.archive.columns import ColumnLedger, Columns, Named, types_in
from kedge.archive.rows import INSTANT, ModelRows
from kedge.contracts import (
    PackedIds,
    PredictionBatch,
    Record,
    Role,
    Tags,
    columns_of,
    decode,
    decode_predictions,
)
from kedge.contracts.predictions import Ints
from kedge.contracts.schemas import by_fingerprint

_TEXTS = pa.map_(pa.string(), pa.string())
# `features` and `outputs` are structs of what a file has; nothing at all unites with any of them.
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("event_time", INSTANT),
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("code_version", pa.string()),
        ("release", pa.int64()),
        ("environment", pa.string()),
        ("features", pa.null()),
        ("outputs", pa.null()),
        ("imputed", pa.list_(pa.string())),
        ("missing", _TEXTS),
        ("missing_outputs", _TEXTS),
        ("untyped", _TEXTS),
        ("untyped_outputs", _TEXTS),
        ("latency_ms", pa.float32()),
        ("error", pa.string()),
        ("kafka_partition", pa.int32()),
        ("kafka_offset", pa.int64()),
    ]
)
_ROLES: tuple[Role, ...] = ("feature", "output")
_CHUNK = 1000
"""Single predictions that wait as records until they are turned into columns together."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Predictions of one release, with the offset of the message that each came in."""

    offsets: Ints
    batch: PredictionBatch


class PredictionRows:
    """Rows of one flush of `predictions`.

    Args:
        ledger: types of the features and outputs.
        partition: of the topic.
    """

    def __init__(self, ledger: ColumnLedger, partition: int) -> None:
        self._ledger = ledger
        self._partition = partition
        self._pieces: list[_Piece] = []
        self._single: dict[Tags, list[tuple[int, Record]]] = {}
        self._waiting = 0

    def add(self, offset: int, value: bytes | None) -> int:
        """Take the predictions of one message; how many they are.

        Raises:
            UnreadableMessageError: the message can't be read.
        """
        if not _is_single(value):
            batch = decode_predictions(value)
            self._pieces.append(_Piece(np.full(batch.rows, offset, np.int64), batch))
            return batch.rows
        _, record = decode(value, "prediction")
        tags = Tags(
            record["model"],
            record["model_version"],
            record["code_version"],
            record["release"],
            record["environment"],
        )
        self._single.setdefault(tags, []).append((offset, record))
        self._waiting += 1
        if self._waiting >= _CHUNK:
            self._together()
        return 1

    def by_model(self, columns: dict[str, int] | None = None) -> Iterator[ModelRows]:
        """The rows of each model.

        Args:
            columns: for each model the generation of its columns that the rows were written with
                before; None when they are written for the first time.
        """
        self._together()
        pieces: dict[str, list[_Piece]] = {}
        for piece in self._pieces:
            if len(piece.offsets):
                pieces.setdefault(piece.batch.tags.model, []).append(piece)
        for model in sorted(pieces):
            mine = pieces[model]
            if columns is not None and model in columns:
                known = self._ledger.at(model, columns[model])
            else:
                known = self._ledger.extended(
                    model, ((p.batch.tags.release, types_in(p.batch.columns)) for p in mine)
                )
            times = np.concatenate([piece.batch.event_times for piece in mine])
            offsets = np.concatenate([piece.offsets for piece in mine])
            table = _table(mine, known, times, offsets, self._partition)
            if (np.diff(offsets) < 0).any():
                order = np.argsort(offsets, kind="stable")
                times, table = times[order], table.take(order)
            yield ModelRows(model, table, times, known.generation)

    def _together(self) -> None:
        for tags, items in self._single.items():
            offsets = np.array([offset for offset, _ in items], np.int64)
            self._pieces.append(_Piece(offsets, _batch(tags, [record for _, record in items])))
        self._single.clear()
        self._waiting = 0


def _is_single(value: bytes | None) -> bool:
    contract = by_fingerprint().get(value[2:10]) if value else None
    return contract is not None and contract.name == "prediction"


def _batch(tags: Tags, records: Sequence[Record]) -> PredictionBatch:
    """Single predictions of one release by column; one by one they would be slow."""
    with np.errstate(over="ignore"):
        latencies = np.array([record["latency_ms"] for record in records], np.float32)
    return PredictionBatch(
        tags,
        [record["id"] for record in records],
        np.array([record["event_time"] for record in records], np.int64),
        latencies,
        (
            *columns_of(
                [record["features"] for record in records],
                "feature",
                [record["imputed"] for record in records],
            ),
            *columns_of([record["outputs"] for record in records], "output"),
        ),
        {row: record["error"] for row, record in enumerate(records) if record["error"] is not None},
    )


def _table(
    pieces: Sequence[_Piece], known: Columns, times: Ints, offsets: Ints, partition: int
) -> pa.Table:
    rows = len(times)
    lengths = [len(piece.offsets) for piece in pieces]
    starts = np.concatenate([[0], np.cumsum(lengths)]).tolist()
    # What a release is known to have is a column from its first file on, if only of nulls.
    having = {named for piece in pieces for named in known.known.get(piece.batch.tags.release, ())}
    cells = {
        named: Cells(rows, known.types[named]) for named in sorted(having & known.types.keys())
    }
    errors: list[str | None] = [None] * rows
    for start, piece in zip(starts, pieces, strict=False):
        for column in piece.batch.columns:
            named = (column.role, column.name)
            if named not in cells:
                cells[named] = Cells(rows, known.types.get(named, "map"))
            cells[named].put(start, column)
        for row, error in piece.batch.errors.items():
            errors[start + row] = error
    tags = [piece.batch.tags for piece in pieces]
    releases = np.repeat(np.array([each.release for each in tags], np.int64), lengths)
    columns = {
        "id": pa.concat_arrays([_ids(piece.batch.ids) for piece in pieces]),
        "event_time": pa.array(times).view(INSTANT),
        "model": _repeated([each.model for each in tags], lengths),
        "model_version": _repeated([each.model_version for each in tags], lengths),
        "code_version": _repeated([each.code_version for each in tags], lengths),
        "release": pa.array(releases),
        "environment": _repeated([each.environment for each in tags], lengths),
        "features": _struct("feature", cells, rows),
        "outputs": _struct("output", cells, rows),
        "imputed": list_array(
            rows,
            [
                (name, np.flatnonzero(each.why == IMPUTED))
                for (role, name), each in cells.items()
                if role == "feature"
            ],
        ),
        "missing": _missing("feature", cells, known, releases),
        "missing_outputs": _missing("output", cells, known, releases),
        "untyped": _untyped("feature", cells, rows),
        "untyped_outputs": _untyped("output", cells, rows),
        "latency_ms": _latencies([piece.batch for piece in pieces]),
        "error": pa.array(errors, pa.string()),
        "kafka_partition": pa.array(np.full(rows, partition, np.int32)),
        "kafka_offset": pa.array(offsets),
    }
    return pa.table(columns)


def _struct(role: Role, cells: dict[Named, Cells], rows: int) -> pa.Array:
    mine = {
        name: each.to_arrow()
        for (side, name), each in sorted(cells.items())
        if side == role and each.type != "map"
    }
    if not mine:
        return pa.nulls(rows)
    return pa.StructArray.from_arrays(list(mine.values()), list(mine))


def _missing(
    role: Role, cells: dict[Named, Cells], known: Columns, releases: NDArray[np.int64]
) -> pa.Array:
    entries = []
    everything = set().union(*(known.known.get(each, ()) for each in np.unique(releases).tolist()))
    for named in sorted(everything | cells.keys()):
        if named[0] != role:
            continue
        # A row can lack as `absent` only what its release is known to have.
        having = [number for number, names in known.known.items() if named in names]
        due = np.isin(releases, having)
        why = cells[named].why if named in cells else np.full(len(releases), ABSENT, np.uint8)
        counted = (why != 0) & (due | (why != ABSENT))
        if role == "feature":
            # These have the column `imputed`, which no output can be in.
            counted &= why != IMPUTED
        rows = np.flatnonzero(counted)
        if len(rows):
            entries.append((named[1], rows, pa.array(WHY, pa.string()).take(pa.array(why[rows]))))
    return map_array(len(releases), entries)


def _untyped(role: Role, cells: dict[Named, Cells], rows: int) -> pa.Array:
    entries = []
    for (side, name), each in sorted(cells.items()):
        if side == role and each.untyped:
            index = np.array(sorted(each.untyped), np.int64)
            texts = [each.untyped[row] for row in index.tolist()]
            entries.append((name, index, pa.array(texts, pa.string())))
    return map_array(rows, entries)


def _latencies(batches: Sequence[PredictionBatch]) -> pa.Array:
    values = np.concatenate([batch.latencies_ms for batch in batches])
    return pa.array(values, mask=np.isnan(values))


def _repeated(values: Sequence[str], lengths: Sequence[int]) -> pa.Array:
    return (
        pa.array(values, pa.string())
        .dictionary_encode()
        .take(pa.array(np.repeat(np.arange(len(values)), lengths)))
    )


_DASHES = (8, 13, 18, 23)
_LETTERS = 36


def _ids(ids: Sequence[str]) -> pa.Array:
    if not isinstance(ids, PackedIds):
        return pa.array(list(ids), pa.string())
    # As `str(UUID(bytes=…))` of each, all at once.
    text = np.full((len(ids), _LETTERS), ord("-"), np.uint8)
    digits = [i for i in range(_LETTERS) if i not in _DASHES]
    text[:, digits] = np.frombuffer(ids.data.hex().encode(), np.uint8).reshape(len(ids), -1)
    ends = np.arange(len(ids) + 1, dtype=np.int32) * _LETTERS
    return pa.StringArray.from_buffers(
        len(ids), pa.py_buffer(ends.tobytes()), pa.py_buffer(text.tobytes())
    )
