"""What is archived, and as which rows."""

from __future__ import annotations

from kedge.archive.columns import ColumnLedger
from kedge.archive.layout import write_empty
from kedge.archive.predictions import SCHEMA, PredictionRows
from kedge.archive.records import KINDS, RecordRows, ReleaseRows
from kedge.archive.rows import Rows
from kedge.archive.store import Store

SCHEMAS = {"predictions": SCHEMA, **{name: kind.schema for name, kind in KINDS.items()}}
"""Columns by dataset; each dataset is named as the topic that it comes from."""

TIMES = {"predictions": "event_time", **{name: kind.time for name, kind in KINDS.items()}}
"""By dataset, the column that the date of a row's file is taken from."""


def prepare(store: Store) -> None:
    """Make an archive, or add to one what it lacks to be queried."""
    write_empty(store, SCHEMAS)


def new_rows(dataset: str, ledger: ColumnLedger, partition: int) -> Rows:
    """An empty buffer for one flush.

    Args:
        dataset: which one.
        ledger: types of features and outputs.
        partition: that the messages come from.
    """
    if dataset == "predictions":
        return PredictionRows(ledger, partition)
    if dataset == "releases":
        return ReleaseRows(ledger, partition)
    return RecordRows(KINDS[dataset], partition)
