"""Outcomes, statistics, alerts and releases as rows of the archive."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from kedge.archive.columns import ArchiveType, ColumnLedger, Named
from kedge.archive.rows import INSTANT, ModelRows
from kedge.contracts import Record, decode

_TEXT, _LONG, _DOUBLE = pa.string(), pa.int64(), pa.float64()
_KAFKA = [("kafka_partition", pa.int32()), ("kafka_offset", _LONG)]
_TAGS = [
    ("model", _TEXT),
    ("model_version", _TEXT),
    ("code_version", _TEXT),
    ("release", _LONG),
    ("environment", _TEXT),
]
_EVIDENCE = pa.struct(
    [("release", _LONG), ("window_start", INSTANT), ("value", _DOUBLE), ("rows", _LONG)]
)


def _outcome(record: Record) -> list[Record]:
    return [{**record, **_truth(record["truth"])}]


def _truth(truth: Any) -> Record:
    """As a number to compute with, as text to group by, and as a vector."""
    number: float | None = None
    if isinstance(truth, bool):
        kind, number, text = "boolean", float(truth), str(truth).lower()
    elif isinstance(truth, int | float):
        # A long may have more digits than a double; its text has them all.
        kind, number = "number", float(truth)
        whole = isinstance(truth, int) or (math.isfinite(truth) and truth.is_integer())
        text = str(int(truth)) if whole else repr(truth)
    elif isinstance(truth, list):
        return {"truth": None, "truth_vector": truth, "truth_type": "vector"}
    else:
        kind, text = "null" if truth is None else "text", truth
    return {"truth": number, "truth_text": text, "truth_type": kind}


def _statistics(record: Record) -> list[Record]:
    window = {
        **record,
        "window_rows": record["rows"],
        "window_errors": record["errors"],
    }
    return [
        {**window, **each, "statistic": each["name"], "column_name": each["column"]}
        for each in record["statistics"]
    ]


def _alert(record: Record) -> list[Record]:
    decision, verdict = record["decision"] or {}, record["verdict"] or {}
    taken = {f"decision_{key}": value for key, value in decision.items() if key != "decided_at"}
    return [
        {
            **record,
            **taken,
            "decided_at": decision.get("decided_at"),
            "verdict": verdict.get("blame"),
            "verdict_because": verdict.get("because"),
            "column_name": record["column"],
        }
    ]


def _release(record: Record) -> list[Record]:
    made, moved = record["release"] or {}, record["alias"] or {}
    event = "release_made" if made else "alias_moved" if moved else None
    return [
        {
            **{key: record[key] for key in ("id", "time", "model", "actor", "reason")},
            **{key: {**made, **moved}.get(key) for key in ("model_version", "code_version")},
            "event": event,
            "release": moved.get("to_release", made.get("number")),
            "alias": moved.get("name"),
            "from_release": moved.get("from_release"),
            "generation": moved.get("generation"),
            "incident": moved.get("incident"),
            "reference_rows": made.get("reference_rows"),
            "signature": [
                {key: column[key] for key in ("name", "role", "type")}
                for column in made.get("columns", ())
            ],
        }
    ]


@dataclass(frozen=True, slots=True)
class RecordKind:
    """How the messages of one topic become rows.

    Attributes:
        contract: name of their schema.
        rows: the rows of one message; keys that are no column are left out.
        time: the column that the date of a row's file is taken from.
        schema: the columns.
    """

    contract: str
    rows: Callable[[Record], list[Record]]
    time: str
    schema: pa.Schema


KINDS = {
    "outcomes": RecordKind(
        "outcome",
        _outcome,
        "known_at",
        pa.schema(
            [
                ("prediction_id", _TEXT),
                ("model", _TEXT),
                ("environment", _TEXT),
                ("known_at", INSTANT),
                ("truth", _DOUBLE),
                ("truth_text", _TEXT),
                ("truth_vector", pa.list_(_DOUBLE)),
                ("truth_type", _TEXT),
                *_KAFKA,
            ]
        ),
    ),
    "statistics": RecordKind(
        "statistic",
        _statistics,
        "window_start",
        pa.schema(
            [
                *_TAGS,
                ("clock", _TEXT),
                ("window_start", INSTANT),
                ("window_end", INSTANT),
                ("part", _TEXT),
                ("revision", pa.int32()),
                ("statistic", _TEXT),
                ("role", _TEXT),
                ("column_name", _TEXT),
                ("kind", _TEXT),
                ("segment", _TEXT),
                ("value", _DOUBLE),
                ("rows", _LONG),
                ("low", _DOUBLE),
                ("high", _DOUBLE),
                ("note", _TEXT),
                ("window_rows", _LONG),
                ("window_errors", _LONG),
                *_KAFKA,
            ]
        ),
    ),
    "alerts": RecordKind(
        "alert",
        _alert,
        "produced_at",
        pa.schema(
            [
                ("id", _TEXT),
                ("fingerprint", _TEXT),
                ("incident", _TEXT),
                ("status", _TEXT),
                ("step", _TEXT),
                *_TAGS,
                ("alias", _TEXT),
                ("rule", _TEXT),
                ("severity", _TEXT),
                ("action", _TEXT),
                ("statistic", _TEXT),
                ("role", _TEXT),
                ("column_name", _TEXT),
                ("kind", _TEXT),
                ("segment", _TEXT),
                ("threshold", _DOUBLE),
                ("value", _DOUBLE),
                ("rows", _LONG),
                ("starts_at", INSTANT),
                ("ends_at", INSTANT),
                ("window_start", INSTANT),
                ("window_end", INSTANT),
                ("summary", _TEXT),
                ("evidence", pa.list_(_EVIDENCE)),
                ("verdict", _TEXT),
                ("verdict_because", pa.list_(_TEXT)),
                ("onset", INSTANT),
                ("onset_earliest", INSTANT),
                ("onset_latest", INSTANT),
                ("decision_action", _TEXT),
                ("decision_from_release", _LONG),
                ("decision_to_release", _LONG),
                ("decision_generation", _LONG),
                ("decision_proposal", _LONG),
                ("decision_reason", _TEXT),
                ("decided_at", INSTANT),
                ("produced_at", INSTANT),
                *_KAFKA,
            ]
        ),
    ),
    "releases": RecordKind(
        "release_event",
        _release,
        "time",
        pa.schema(
            [
                ("id", _TEXT),
                ("time", INSTANT),
                ("event", _TEXT),
                ("model", _TEXT),
                ("release", _LONG),
                ("model_version", _TEXT),
                ("code_version", _TEXT),
                ("alias", _TEXT),
                ("from_release", _LONG),
                ("generation", _LONG),
                ("actor", _TEXT),
                ("reason", _TEXT),
                ("incident", _TEXT),
                ("reference_rows", _LONG),
                (
                    "signature",
                    pa.list_(pa.struct([("name", _TEXT), ("role", _TEXT), ("type", _TEXT)])),
                ),
                *_KAFKA,
            ]
        ),
    ),
}


class RecordRows:
    """Rows of one flush of a dataset other than `predictions`.

    Args:
        kind: how messages become rows.
        partition: of the topic.
    """

    def __init__(self, kind: RecordKind, partition: int) -> None:
        self._kind = kind
        self._partition = partition
        self._rows: dict[str, list[Record]] = {}

    def add(self, offset: int, value: bytes | None) -> int:
        _, record = decode(value, self._kind.contract)
        self._seen(record)
        rows = self._kind.rows(record)
        place = {"kafka_partition": self._partition, "kafka_offset": offset}
        wanted = self._kind.schema.names
        self._rows.setdefault(record["model"], []).extend(
            {name: row.get(name) for name in wanted} | place for row in rows
        )
        return len(rows)

    def by_model(self, columns: dict[str, int] | None = None) -> Iterator[ModelRows]:
        del columns  # these have the same ones always
        for model, rows in sorted(self._rows.items()):
            if rows:
                times = np.array([row[self._kind.time] for row in rows], np.int64)
                yield ModelRows(model, pa.Table.from_pylist(rows, self._kind.schema), times)

    def _seen(self, record: Record) -> None:
        """Look at a record as it comes."""


_TYPES: dict[str, ArchiveType] = {
    "numeric": "number",
    "boolean": "boolean",
    "categorical": "text",
    "vector": "vector",
}


class ReleaseRows(RecordRows):
    """Rows of `releases`: their signatures decide the types of features and outputs.

    Args:
        ledger: the types.
        partition: of the topic.
    """

    def __init__(self, ledger: ColumnLedger, partition: int) -> None:
        super().__init__(KINDS["releases"], partition)
        self._ledger = ledger

    def _seen(self, record: Record) -> None:
        if made := record["release"]:
            signature: dict[Named, ArchiveType | None] = {
                (column["role"], column["name"]): _TYPES[column["type"]]
                for column in made["columns"]
            }
            self._ledger.extended(record["model"], [(made["number"], signature)])
