"""Pure: the rows of a batch as records of the `prediction` contract."""

from __future__ import annotations

import math
from typing import Any

from kedge.contracts import Column, PredictionBatch, Record, State


def singles(batch: PredictionBatch) -> list[Record]:
    """A record a row, which means what the row means; numbers are floats."""
    tags = batch.tags
    records: list[Record] = [
        {
            "id": name,
            "event_time": event_time,
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "features": {},
            "imputed": [],
            "outputs": {},
            "latency_ms": None if math.isnan(latency) else latency,
            "error": batch.errors.get(row),
        }
        for row, (name, event_time, latency) in enumerate(
            zip(batch.ids, batch.event_times.tolist(), batch.latencies_ms.tolist(), strict=True)
        )
    ]
    for column in batch.columns:
        values = _values(column)
        for record, state, value in zip(records, column.states.tolist(), values, strict=True):
            if state == State.ABSENT:
                continue
            if state == State.IMPUTED and column.role == "feature":
                record["imputed"].append(column.name)
                if value is None or value != value:  # noqa: PLR0124 - NaN: there was no value
                    continue
            side = record["features" if column.role == "feature" else "outputs"]
            side[column.name] = None if state == State.NULL else value
    return records


def _values(column: Column) -> list[Any]:
    if column.type == "text":
        words = column.dictionary or (None,)
        return [words[code] for code in column.values.tolist()]
    values: list[Any] = column.values.tolist()
    return values
