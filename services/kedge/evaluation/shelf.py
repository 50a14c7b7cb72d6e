"""What an evaluator has at hand on its own disk: predictions of the archive, and known truths.

All of it can be made again from the archive and from the state topic. So it lies in a temporary
file that nobody else knows, and memory does not grow with it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from kedge.evaluation.truths import Prediction

_CACHE_KIB = 64 * 1024
"""Memory for pages of the file, in KiB."""

_TABLES = """
CREATE TABLE predictions (
    name BLOB, release INTEGER, event_time INTEGER, output, segments TEXT,
    PRIMARY KEY (name, release)
) WITHOUT ROWID;
CREATE TABLE truths (
    name BLOB, partition INTEGER, data BLOB, PRIMARY KEY (name, partition)
) WITHOUT ROWID;
CREATE TEMP TABLE news (name BLOB, release INTEGER, event_time INTEGER, output, segments TEXT);
"""

Named = tuple[bytes, Prediction]


class Shelf:
    """Tables of names.

    Args:
        path: the file; an empty text keeps everything where SQLite sees fit.
    """

    def __init__(self, path: Path | str = "") -> None:
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A crash takes the file with it, so nothing is ever committed or rolled back.
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            f"cache_size = -{_CACHE_KIB}",
        ):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.executescript(_TABLES)
        self._database.execute("BEGIN")

    def close(self) -> None:
        self._database.close()

    def add(self, predictions: Iterable[Named]) -> list[Named]:
        """Put predictions there; those that are new.

        Of several of one name and release, the first stays: the others are duplicates of it.
        """
        rows = [(name, *_row(prediction)) for name, prediction in predictions]
        self._database.executemany("INSERT INTO news VALUES (?, ?, ?, ?, ?)", rows)
        # In the order of the names, in which the table is written.
        new = self._database.execute(
            "INSERT OR IGNORE INTO predictions SELECT * FROM news ORDER BY name, rowid RETURNING *"
        ).fetchall()
        self._database.execute("DELETE FROM news")
        return [(name, _prediction(rest)) for name, *rest in new]

    def find(self, name: bytes) -> list[Prediction]:
        """The predictions of a name, one a release."""
        rows = self._database.execute(
            "SELECT release, event_time, output, segments FROM predictions WHERE name = ?", (name,)
        )
        return [_prediction(row) for row in rows]

    def partitions(self, name: bytes) -> list[int]:
        """The partitions in which a truth of this name is known."""
        rows = self._database.execute("SELECT partition FROM truths WHERE name = ?", (name,))
        return [partition for (partition,) in rows]

    def forget(self, floor: int) -> None:
        """Remove predictions from before an event time."""
        self._database.execute("DELETE FROM predictions WHERE event_time < ?", (floor,))

    def truths(self, partition: int) -> MutableMapping[bytes, bytes]:
        """The known truths of a partition by name, none at first."""
        self._database.execute("DELETE FROM truths WHERE partition = ?", (partition,))
        return _Entries(self._database, partition)


class _Entries(MutableMapping[bytes, bytes]):
    """The truths of one partition as a mapping."""

    def __init__(self, database: sqlite3.Connection, partition: int) -> None:
        self._run, self._partition = database.execute, partition

    def __getitem__(self, name: bytes) -> bytes:
        row = self._run(
            "SELECT data FROM truths WHERE name = ? AND partition = ?", (name, self._partition)
        ).fetchone()
        if row is None:
            raise KeyError(name)
        return bytes(row[0])

    def __setitem__(self, name: bytes, data: bytes) -> None:
        self._run("INSERT OR REPLACE INTO truths VALUES (?, ?, ?)", (name, self._partition, data))

    def __delitem__(self, name: bytes) -> None:
        self._run("DELETE FROM truths WHERE name = ? AND partition = ?", (name, self._partition))

    def __iter__(self) -> Iterator[bytes]:
        rows = self._run("SELECT name FROM truths WHERE partition = ?", (self._partition,))
        return (bytes(name) for (name,) in rows)

    def __len__(self) -> int:
        (count,) = self._run(
            "SELECT count(*) FROM truths WHERE partition = ?", (self._partition,)
        ).fetchone()
        return int(count)


def _row(prediction: Prediction) -> Sequence[Any]:
    release, event_time, output, segments = prediction
    return release, event_time, output, json.dumps(segments) if segments else None


def _prediction(row: Sequence[Any]) -> Prediction:
    release, event_time, output, segments = row
    # SQLite has no booleans. The archive's numbers are floats, so whole ones are truth values here.
    output = bool(output) if isinstance(output, int) else output
    return Prediction(release, event_time, output, tuple(json.loads(segments)) if segments else ())
