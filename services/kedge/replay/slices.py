"""Which rows of the archive are meant, in the order of the log, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

_AT_ONCE = 20_000
"""Rows that are held; a message that has more is held whole."""

EVER = (-(2**62), 2**62)
"""Since and until of everything, microseconds since 1970 UTC."""

# What the two queries share: those rows of `predictions` that the slice has.
_CHOSEN = """
    SELECT * FROM predictions
    WHERE model = $model AND event_time >= make_timestamptz($since)
        AND event_time < make_timestamptz($until)
        AND ($release IS NULL OR release = $release)
        AND ($environment IS NULL OR environment = $environment)"""

# `due` never falls within a partition: whoever sends in its order sends each partition in the order
# of its log, and all of them side by side.
_IN_ORDER = """
    SELECT *, count(*) OVER () AS slice_rows, max({time}) OVER (
        PARTITION BY kafka_partition ORDER BY kafka_offset
    ) AS due
    FROM ({chosen}) ORDER BY due, kafka_partition, kafka_offset, {tags}, {time}, {name}"""

_TAGS = "model_version, code_version, release, environment"
_PREDICTIONS = _IN_ORDER.format(chosen=_CHOSEN, tags=_TAGS, time="event_time", name="id")
_OUTCOMES = _IN_ORDER.format(
    chosen=f"""
    SELECT outcomes.* FROM outcomes SEMI JOIN ({_CHOSEN}) AS chosen
    ON outcomes.prediction_id = chosen.id AND outcomes.model = chosen.model
        AND outcomes.environment = chosen.environment""",  # noqa: S608 - of constants
    tags="environment",
    time="known_at",
    name="prediction_id",
)
_EXTENT = f"""
    SELECT count(*), coalesce(epoch_us(min(event_time)), 0),
        coalesce(epoch_us(max(event_time)), 0), coalesce(max(kafka_partition) + 1, 0)
    FROM ({_CHOSEN})"""  # noqa: S608 - of constants


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a slice has.

    Attributes:
        rows: predictions.
        oldest: event time of the first, microseconds since 1970 UTC; 0 of none.
        newest: event time of the last.
        partitions: that a topic needs, so that each prediction goes where it came from.
    """

    rows: int
    oldest: int
    newest: int
    partitions: int

    @property
    def span(self) -> int:
        """Microseconds from the oldest to the newest."""
        return self.newest - self.oldest


@dataclass(frozen=True, slots=True)
class Slice:
    """Predictions of one model, and what came of them.

    Attributes:
        model: its name.
        since: the first event time, microseconds since 1970 UTC.
        until: the event time after the last.
        release: only of this one.
        environment: only of this one.
    """

    model: str
    since: int
    until: int
    release: int | None = None
    environment: str | None = None

    def extent(self, archive: duckdb.DuckDBPyConnection) -> Extent:
        row = archive.execute(_EXTENT, self._parameters()).fetchone()
        assert row is not None, "an aggregate has one row"
        return Extent(*row)

    def predictions(self, archive: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        """The rows of the view `predictions`, whole messages in each batch.

        They come by `due`, the latest event time of their partition so far, with `slice_rows`, how
        many there are in all: one query, and so one state of an archive that grows meanwhile.
        """
        return self._batches(archive, _PREDICTIONS)

    def outcomes(self, archive: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        """The rows of the view `outcomes` that are of these predictions, whenever they came."""
        return self._batches(archive, _OUTCOMES)

    def _batches(self, archive: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
        # A cursor of its own: two results are read side by side.
        result = archive.cursor().sql(query, params=self._parameters())
        return _whole_messages(result.to_arrow_reader(_AT_ONCE))

    def _parameters(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "since": self.since,
            "until": self.until,
            "release": self.release,
            "environment": self.environment,
        }


def _whole_messages(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """The same rows, cut only where a message ends."""
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        rows = batch.num_rows
        if not rows:
            continue
        end = _last_message(batch)
        if end:
            kept.append(batch.slice(0, end))
            yield _together(kept)
            kept = []
        kept.append(batch.slice(end))
    if kept:
        yield _together(kept)


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _last_message(batch: pa.RecordBatch) -> int:
    """The first row of the last message."""
    place = [batch.column(name).to_numpy() for name in ("kafka_partition", "kafka_offset")]
    others = np.flatnonzero(np.any([column != column[-1] for column in place], axis=0))
    return int(others[-1]) + 1 if len(others) else 0
