"""One topic partition on its way to the disk: exactly once, whatever is killed when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from kedge.archive.columns import ColumnLedger
from kedge.archive.datasets import new_rows
from kedge.archive.journal import Journal, Range
from kedge.archive.layout import by_date, component, file_name, model_folder, write_parquet
from kedge.archive.rows import Rows
from kedge.archive.store import Store
from kedge.contracts import UnreadableMessageError


@dataclass(frozen=True, slots=True)
class _Files:
    """What a flush makes: a table for each file, and the columns' generation of each model."""

    tables: dict[str, pa.Table]
    generations: dict[str, int]


class PartitionWriter:
    """Collects the messages of one partition and writes them as files.

    The order of its life: `resume`, then `add` and `flush` again and again, with `finish_replay`
    where the log ends; after a `flush` that returned False, `resume` again.

    Args:
        store: the archive.
        ledger: types of features and outputs.
        dataset: what the topic is archived as.
        topic_id: Kafka's id of the topic.
        partition: of the topic.
    """

    def __init__(
        self, store: Store, ledger: ColumnLedger, dataset: str, topic_id: str, partition: int
    ) -> None:
        self.dataset = dataset
        self.partition = partition
        self._store = store
        self._ledger = ledger
        self._topic_id = topic_id
        self._journal = Journal(store, dataset, topic_id, partition)
        self._replaying: Range | None = None
        self._first = 0
        self._last = -1
        self.messages = 0
        self.rows = 0
        self.bytes = 0
        self.unreadable = 0
        self._rows: Rows = new_rows(self.dataset, self._ledger, self.partition)

    def resume(self, earliest: int) -> int:
        """Start after what is on the disk; the offset to read from.

        Where the newest range lacks files, that is its first offset: it is written again, from
        exactly the same messages.

        Args:
            earliest: the first offset that Kafka still has.
        """
        self._store.clear_aside(self._label)
        newest = self._journal.newest()
        self._replaying = None
        if newest is None:
            self._start_at(earliest)
        elif self._journal.lacking(newest):
            self._replaying = newest
            self._start_at(newest.first)
        else:
            # Whoever gave the last of them its name may not have lived to make it last.
            self._store.make_last(newest.files)
            self._start_at(newest.last + 1)
        return max(self._first, earliest)

    @property
    def next(self) -> int:
        """The offset after the last one taken."""
        return self._last + 1

    @property
    def replaying(self) -> bool:
        """Whether a range is being read again; it is flushed at its end and not before."""
        return self._replaying is not None

    def add(self, offset: int, value: bytes | None) -> int:
        """Take a message; how many rows it made.

        Raises:
            UnreadableMessageError: it made none as it can't be read; its offset is passed.
        """
        assert offset > self._last
        assert not self.replay_ends_before(offset)
        self._last = offset
        self.messages += 1
        self.bytes += len(value or b"")
        try:
            rows = self._rows.add(offset, value)
        except UnreadableMessageError:
            self.unreadable += 1
            raise
        self.rows += rows
        return rows

    def replay_ends_before(self, offset: int) -> bool:
        """Whether `offset` is beyond the range that is being read again."""
        return self._replaying is not None and offset > self._replaying.last

    def finish_replay(self) -> int:
        """Write the range that was read again; how many of its messages Kafka had no more."""
        assert self._replaying is not None
        range_ = self._replaying
        # What is there stays: should Kafka have lost messages since, it is more than can be made.
        lacking = self._journal.lacking(range_)
        files = self._files(range_.last, range_.columns)
        tables = {name: table for name, table in files.tables.items() if name in lacking}
        self._publish(tables, self._aside(tables))
        lost = range_.messages - self.messages
        self._replaying = None
        self._start_at(range_.last + 1)
        return lost

    def flush(self) -> bool:
        """Write what was taken; False when another archiver has archived these offsets.

        In that case nothing was written, and what was taken is forgotten.
        """
        assert self._replaying is None
        if not self.messages:
            return True
        files = self._files(self._last)
        asides = self._aside(files.tables)
        claimed = self._journal.claim(
            Range(
                self._first,
                self._last,
                self.messages,
                self.rows,
                self.unreadable,
                tuple(files.tables),
                files.generations,
            )
        )
        if claimed:
            self._publish(files.tables, asides)
        else:
            for aside, _ in asides:
                self._store.discard(aside)
        self._start_at(self._last + 1)
        return claimed

    def _files(self, last: int, columns: dict[str, int] | None = None) -> _Files:
        name = file_name(self._topic_id, self.partition, self._first, last)
        files = _Files({}, {})
        for mine in self._rows.by_model(columns):
            folder = model_folder(self.dataset, mine.model)
            for date, table in by_date(mine.table, mine.times):
                files.tables[f"{folder}/{component('date', date)}/{name}"] = table
            if mine.generation:
                files.generations[mine.model] = mine.generation
        return files

    def _publish(self, tables: dict[str, pa.Table], asides: list[tuple[Path, str]]) -> None:
        try:
            self._store.publish(asides)
        except FileNotFoundError:
            # Who resumed this partition meanwhile took them for what a dead process left.
            self._store.publish(self._aside(tables))

    def _aside(self, tables: dict[str, pa.Table]) -> list[tuple[Path, str]]:
        return [
            (self._store.write_aside(self._label, partial(write_parquet, table)), name)
            for name, table in tables.items()
        ]

    def _start_at(self, offset: int) -> None:
        self._first = offset
        self._last = offset - 1
        self.messages = self.rows = self.bytes = self.unreadable = 0
        self._rows = new_rows(self.dataset, self._ledger, self.partition)

    @property
    def _label(self) -> str:
        return f"{self.dataset}-{self._topic_id}-p{self.partition:04d}"
