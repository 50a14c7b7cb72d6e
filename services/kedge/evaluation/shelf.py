"""What an evaluator has at hand on its own disk: predictions of the archive, and known truths.

All of it can be made again from the archive and from the state topic. So it lies in a temporary
folder that nobody else knows, and memory does not grow with it.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kedge.evaluation.keys import Keys, keys_of
from kedge.evaluation.runs import Rows, Runs
from kedge.evaluation.truths import Prediction
from kedge.evaluation.words import Words

_CACHE_KIB = 64 * 1024
"""Memory for pages of the truths, in KiB."""
_AT_ONCE = 20_000
"""Names of fresh truths that wait in memory."""

_TABLES = """
CREATE TABLE truths (
    name BLOB, partition INTEGER, data BLOB, PRIMARY KEY (name, partition)
) WITHOUT ROWID;
"""

# Which kind of output `value` is: a number, a truth value, or the number of a word.
NONE, NUMBER, BOOLEAN, TEXT = range(4)
PREDICTION = np.dtype(
    [
        ("release", "<i8"),
        ("event_time", "<i8"),
        ("value", "<f8"),
        ("segments", "<i4"),
        ("kind", "u1"),
    ]
)
"""A row of the table of predictions; `segments` is the number of a word, or 0."""
_PARTITION = np.dtype([("partition", "<i4")])


@dataclass(frozen=True, slots=True)
class Found:
    """Predictions of one model and environment that the archive has.

    Attributes:
        model: its name.
        environment: where.
        ids: one a row.
        rows: `[rows]`, of `PREDICTION`.
    """

    model: str
    environment: str
    ids: pa.StringArray
    rows: Rows

    def take(self, wanted: NDArray[np.int64]) -> Found:
        """Some of the rows."""
        return replace(self, ids=self.ids.take(pa.array(wanted)), rows=self.rows[wanted])


class Shelf:
    """Tables by name."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kedge-evaluator-")
        root = Path(self._folder.name)
        self._database = sqlite3.connect(
            root / "truths", isolation_level=None, check_same_thread=False
        )
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
        self.words = Words(self._database)
        for name in ("predictions", "known"):
            (root / name).mkdir()
        self._predictions = Runs(root / "predictions", PREDICTION)
        self._known = Runs(root / "known", _PARTITION)
        # Truths whose names are not among the known ones yet, by partition.
        self._fresh: dict[int, dict[bytes, None]] = {}

    def close(self) -> None:
        self._database.close()
        self._predictions.close()
        self._known.close()
        self._folder.cleanup()

    def add(self, found: Found) -> Found:
        """Put predictions there; those that are new.

        Of several of one name and release, the first stays: the others are duplicates of it.
        """
        keys = keys_of(found.model, found.environment, found.ids)
        releases = found.rows["release"]
        again = _again(keys, releases)
        which, there = self._predictions.find(keys)
        again[which[there["release"] == releases[which]]] = True
        new = np.flatnonzero(~again)
        self._predictions.add(keys[new], found.rows[new])
        return found if len(new) == len(keys) else found.take(new)

    def find(self, names: Sequence[bytes]) -> Iterator[tuple[bytes, list[Prediction]]]:
        """The predictions of each name, one a release; names without any are left out."""
        names = list(dict.fromkeys(names))
        which, rows = self._predictions.find(_keys(names))
        found: dict[bytes, list[Prediction]] = {}
        for index, prediction in zip(which.tolist(), self.predictions(rows), strict=True):
            found.setdefault(names[index], []).append(prediction)
        return iter(found.items())

    def predictions(self, rows: Rows) -> Iterator[Prediction]:
        """Rows as values."""
        for release, event_time, value, segments, kind in rows.tolist():
            output: float | bool | str | None = None
            if kind == TEXT:
                output = self.words.word(int(value))
            elif kind != NONE:
                output = bool(value) if kind == BOOLEAN else value
            named = tuple(json.loads(self.words.word(segments))) if segments else ()
            yield Prediction(release, event_time, output, named)

    def known(self, found: Found) -> tuple[NDArray[np.int64], list[int]]:
        """Rows of which a truth may be known, and in which partition, row by row."""
        for partition in list(self._fresh):
            self._settle(partition)
        which, there = self._known.find(keys_of(found.model, found.environment, found.ids))
        return which, there["partition"].tolist()

    def forget(self, floor: int) -> None:
        """Remove predictions from before an event time."""
        self._predictions.keep(lambda rows: rows["event_time"] >= floor)

    def truths(self, partition: int) -> MutableMapping[bytes, bytes]:
        """The known truths of a partition by name, none at first."""
        self._database.execute("DELETE FROM truths WHERE partition = ?", (partition,))
        self._known.keep(lambda rows: rows["partition"] != partition)
        self._fresh.pop(partition, None)
        return _Entries(self._database, partition, partial(self._note, partition))

    def _note(self, partition: int, name: bytes) -> None:
        names = self._fresh.setdefault(partition, {})
        names[name] = None
        if len(names) >= _AT_ONCE:
            self._settle(partition)

    def _settle(self, partition: int) -> None:
        """Put the names of fresh truths among the known ones."""
        keys = _keys(list(self._fresh.pop(partition)))
        which, there = self._known.find(keys)
        new = np.ones(len(keys), bool)
        new[which[there["partition"] == partition]] = False
        self._known.add(keys[new], np.full(new.sum(), partition, "<i4").view(_PARTITION))


def _again(keys: Keys, releases: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows are not the first of their key and release."""
    again = np.zeros(len(keys), bool)
    first = np.sort(keys[:, 0])
    if (first[1:] == first[:-1]).any():
        order = np.lexsort((releases, keys[:, 1], keys[:, 0]))
        same = (keys[order[1:]] == keys[order[:-1]]).all(axis=1)
        again[order[1:]] = same & (releases[order[1:]] == releases[order[:-1]])
    return again


class _Entries(MutableMapping[bytes, bytes]):
    """The truths of one partition as a mapping."""

    def __init__(
        self, database: sqlite3.Connection, partition: int, on_known: Callable[[bytes], None]
    ) -> None:
        self._run, self._partition, self._on_known = database.execute, partition, on_known

    def __getitem__(self, name: bytes) -> bytes:
        row = self._run(
            "SELECT data FROM truths WHERE name = ? AND partition = ?", (name, self._partition)
        ).fetchone()
        if row is None:
            raise KeyError(name)
        return bytes(row[0])

    def __setitem__(self, name: bytes, data: bytes) -> None:
        self._run("INSERT OR REPLACE INTO truths VALUES (?, ?, ?)", (name, self._partition, data))
        self._on_known(name)

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


def _keys(names: Sequence[bytes]) -> Keys:
    """The keys of names, each of whatever model and environment."""
    scopes: dict[tuple[str, str], tuple[list[int], list[str]]] = {}
    for row, name in enumerate(names):
        model, environment, prediction = json.loads(name)
        rows, ids = scopes.setdefault((model, environment), ([], []))
        rows.append(row)
        ids.append(prediction)
    keys = np.zeros((len(names), 2), np.uint64)
    for (model, environment), (rows, ids) in scopes.items():
        keys[rows] = keys_of(model, environment, pa.array(ids, pa.string()))
    return keys
