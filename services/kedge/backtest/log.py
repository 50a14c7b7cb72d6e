"""What the archive has of a model: its predictions in the order of the log, its releases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from kedge.backtest.moves import PastMove, in_event_time, is_played_back

_ROWS = 50_000
"""Rows that are read at once of each partition."""

_OFFSETS = 256
"""Offsets whose messages are read together; one may have hundreds of rows."""

_COLUMNS = (
    "id, event_time, model, model_version, code_version, release, environment, features, outputs, "
    "imputed, missing, missing_outputs, untyped, untyped_outputs, latency_ms, error, kafka_offset"
)


class Scope(NamedTuple):
    """One model's predictions of one environment."""

    model: str
    environment: str


class Made(NamedTuple):
    """A release, as the archive has it."""

    number: int
    model_version: str
    code_version: str
    made_at: int


class _Range(NamedTuple):
    partition: int
    first: int
    following: int


class ArchivedLog:
    """Predictions of one model in one environment, between two moments.

    Args:
        database: of the archive, see `kedge.archive.connect`.
        scope: whose predictions.
        since: first event time, microseconds since 1970 UTC.
        until: first event time after the last.
    """

    def __init__(
        self, database: duckdb.DuckDBPyConnection, scope: Scope, since: int, until: int
    ) -> None:
        self._database, self._scope = database, scope
        self._where = (
            "model = ? AND environment = ? AND event_time >= make_timestamptz(?) "
            "AND event_time < make_timestamptz(?)"
        )
        self._values = [*scope, since, until]
        self._ranges, self.rows = self._planned()

    def partitions(self) -> Iterator[tuple[int, Iterator[pa.Table]]]:
        """Of each partition the rows in the order of the log; no message is in two tables."""
        for partition in sorted({each.partition for each in self._ranges}):
            yield partition, self._tables(partition)

    def _planned(self) -> tuple[list[_Range], int]:
        """Ranges of offsets that have as many rows as are read at once."""
        counted = self._database.execute(
            f"SELECT kafka_partition, kafka_offset // {_OFFSETS} AS stretch, count(*) "  # noqa: S608
            f"FROM predictions WHERE {self._where} GROUP BY ALL ORDER BY ALL",
            self._values,
        )
        ranges: list[_Range] = []
        total = held = 0
        while rows := counted.fetchmany(10_000):
            for partition, stretch, count in rows:
                total += count
                following = (stretch + 1) * _OFFSETS
                last = ranges[-1] if ranges else None
                if last is not None and last.partition == partition and held + count <= _ROWS:
                    ranges[-1] = last._replace(following=following)
                    held += count
                else:
                    ranges.append(_Range(partition, stretch * _OFFSETS, following))
                    held = count
        return ranges, total

    def _tables(self, partition: int) -> Iterator[pa.Table]:
        for each in self._ranges:
            if each.partition == partition:
                yield self._database.sql(
                    f"SELECT {_COLUMNS} FROM predictions WHERE {self._where} "  # noqa: S608
                    "AND kafka_partition = ? AND kafka_offset >= ? AND kafka_offset < ? "
                    "ORDER BY kafka_offset",
                    params=[*self._values, *each],
                ).to_arrow_table()


def scopes(database: duckdb.DuckDBPyConnection) -> list[Scope]:
    """Every model and environment that the archive has predictions of."""
    found = database.execute("SELECT DISTINCT model, environment FROM predictions ORDER BY ALL")
    return [Scope(*row) for row in found.fetchall()]


def span(database: duckdb.DuckDBPyConnection, scope: Scope, latest: int) -> tuple[int, int] | None:
    """The first and the last event time, of those that are believed; None without any."""
    first, last = _one(
        database,
        "SELECT epoch_us(min(event_time)), epoch_us(max(event_time)) FROM predictions "
        "WHERE model = ? AND environment = ? AND event_time <= make_timestamptz(?)",
        [*scope, latest],
    )
    return None if first is None else (first, last)


def releases(database: duckdb.DuckDBPyConnection, model: str) -> dict[int, Made]:
    """The releases that were made of a model, by number."""
    found = database.execute(
        "SELECT release, model_version, code_version, epoch_us(time) FROM releases "
        "WHERE event = 'release_made' AND model = ?",
        [model],
    )
    return {row[0]: Made(*row) for row in found.fetchall()}


def moves(
    database: duckdb.DuckDBPyConnection, scope: Scope, alias: str, tolerance: int
) -> list[PastMove]:
    """The moves of an alias, in their order and in event time.

    Args:
        database: of the archive.
        scope: whose predictions show where it pointed.
        alias: its name.
        tolerance: how far two clocks may be apart, microseconds.
    """
    model, environment = scope
    found = database.execute(
        "SELECT generation, from_release, release, actor, reason, incident, epoch_us(time) "
        "FROM releases WHERE event = 'alias_moved' AND model = ? AND alias = ? ORDER BY generation",
        [model, alias],
    )
    made = [PastMove(*row) for row in found.fetchall()]
    first = database.execute(
        "SELECT release, epoch_us(min(event_time)) FROM predictions "
        "WHERE model = ? AND environment = ? GROUP BY release",
        list(scope),
    ).fetchall()
    made_at = {number: each.made_at for number, each in releases(database, model).items()}
    if not is_played_back(made_at, dict(first), tolerance):
        return made
    answered = database.execute(
        "SELECT decision_generation, epoch_us(min(window_end)) FROM alerts JOIN releases "
        "ON decision_generation = generation AND alerts.incident = releases.incident "
        "AND alerts.model = releases.model AND alerts.alias = releases.alias "
        "WHERE alerts.model = ? AND alerts.alias = ? AND environment = ? GROUP BY ALL",
        [model, alias, environment],
    ).fetchall()

    def first_after(release: int, time: int) -> int | None:
        (seen,) = _one(
            database,
            "SELECT epoch_us(min(event_time)) FROM predictions WHERE model = ? "
            "AND environment = ? AND release = ? AND epoch_us(event_time) > ?",
            [model, environment, release, time],
        )
        return None if seen is None else int(seen)

    return in_event_time(made, dict(answered), first_after)


def _one(database: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> tuple[Any, ...]:
    row = database.execute(query, values).fetchone()
    assert row is not None
    return row
