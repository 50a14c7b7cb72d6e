"""Many small files of a date become few large ones, while readers read and archivers write.

The order makes it safe to be killed anywhere: the new files get their names, which count for
nobody; then the next snapshot is made, which is the compaction; what it replaced is removed later
(`kedge.archive.clearing`). Files of a snapshot that never was are removed there too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import duckdb
import pyarrow as pa

from kedge.archive.datasets import TIMES
from kedge.archive.journal import newest_offsets
from kedge.archive.layout import Compacted, Raw, compacted_name, parquet_writer, parsed
from kedge.archive.snapshots import Catalog, Day, Snapshot, next_snapshot
from kedge.archive.store import Store

LABEL: Final = "compaction"
_GROUP: Final = 122_880
"""Rows of a row group, the most that DuckDB makes: what a reader passes over or reads."""
_MOST: Final = 500
"""Files of the archiver that are merged at once: each costs memory while it is open."""
_MEMORY: Final = "512MB"


@dataclass(frozen=True, slots=True)
class Merge:
    """Files of one date to be made one, or a few.

    Attributes:
        topic_id: that their rows are of.
        files: their names in the folder of the date.
        covered: for each partition, the last offset that the result has.
    """

    topic_id: str
    files: tuple[str, ...]
    covered: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """When it is worth merging.

    Attributes:
        target: bytes of a file that is large enough.
        fewest: files of the archiver that are merged by themselves.
        everything: merge whatever is smaller than `target`.
    """

    target: int
    fewest: int = 8
    everything: bool = False


def merges(
    files: Mapping[str, int], day: Day, until: Mapping[str, int], sizes: Sizes
) -> list[Merge]:
    """What to merge of one date.

    All that the archiver wrote goes first, as far as nothing can be added in front of it. A file
    that was compacted already is written again only with at least its own size of others, so that
    a row is not written more often than the logarithm of how much the file can grow.

    Args:
        files: sizes in bytes by name of all that is in the folder.
        day: what was compacted before.
        until: for each topic and partition, the last offset that is looked at. A file that is not
            in `files` and has an offset below it comes after all those of its partition.
        sizes: what is worth it.
    """
    raw: dict[str, list[Raw]] = {}
    small: dict[str, list[tuple[int, str]]] = {}
    names: dict[Raw, str] = {}
    for name, size in files.items():
        match parsed(name):
            case Raw(source, _, last) as origin:
                if day.covered.get(source, -1) < last <= until.get(source, -1):
                    raw.setdefault(origin.topic_id, []).append(origin)
                    names[origin] = name
            case Compacted(_, topic_id):
                if name in day.files and size < sizes.target:
                    small.setdefault(topic_id, []).append((size, name))
    found = []
    for topic_id in sorted(raw.keys() | small.keys()):
        fresh = sorted(raw.get(topic_id, []))[:_MOST]
        if len(fresh) < sizes.fewest and not sizes.everything:
            continue
        chosen = [names[origin] for origin in fresh]
        total = sum(files[name] for name in chosen)
        for size, name in sorted(small.get(topic_id, [])):
            if size <= total or sizes.everything:
                chosen.append(name)
                total += size
        if len(chosen) > 1:
            covered = {origin.source: origin.last for origin in fresh}
            found.append(Merge(topic_id, tuple(chosen), covered))
    return found


def compact(store: Store, folder: str, sizes: Sizes, now: float) -> int:
    """Merge what is worth it of one model, each date by itself; how many files were replaced.

    Args:
        store: the archive.
        folder: of the model: `predictions/model=flights`.
        sizes: what is worth it.
        now: in seconds since 1970.

    Raises:
        OSError: the archive can't be read or written.
        duckdb.Error: a file of it can't be read.
    """
    until = newest_offsets(store, folder.partition("/")[0])
    # In this order: a listing that runs beside archivers may lack one file and have the next.
    days: dict[str, dict[str, int]] = {}
    for path, size in store.below(folder):
        _, day, name = path.rsplit("/", 2)
        days.setdefault(day.removeprefix("date="), {})[name] = size
    catalog, replaced = Catalog(store), 0
    compacted = catalog.snapshot(folder).days
    for date, files in sorted(days.items()):
        for merge in merges(files, compacted.get(date, Day()), until, sizes):
            snapshot = catalog.snapshot(folder)
            if not all(snapshot.counts(date, name) for name in merge.files):
                break  # it was dropped, or somebody else compacts it
            place = f"{folder}/date={date}"
            if not _merged(store, place, merge, sizes.target, before=snapshot, now=now):
                break
            replaced += len(merge.files)
    return replaced


def _merged(
    store: Store, place: str, merge: Merge, target: int, *, before: Snapshot, now: float
) -> bool:
    folder, _, date = place.rpartition("/date=")
    day, after = before.days.get(date, Day()), next_snapshot(before, now)
    names = []
    for aside in _written(store, [f"{place}/{name}" for name in merge.files], target):
        names.append(compacted_name(after.generation, merge.topic_id))
        store.publish([(aside, f"{place}/{names[-1]}")])
    kept = [name for name in day.files if name not in merge.files]
    merged = Day((*kept, *names), {**day.covered, **merge.covered})
    # Should this fail, the snapshot may be there or not. Then the new files stay.
    if Catalog(store).commit(folder, replace(after, days={**before.days, date: merged})):
        return True
    store.remove(f"{place}/{name}" for name in names)
    return False


def _written(store: Store, names: list[str], target: int) -> Iterator[Path]:
    """The rows of some files, sorted by their time, as files of about `target` bytes."""
    dataset = names[0].partition("/")[0]
    with tempfile.TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
        connection.execute(f"SET temp_directory = '{spill}'")
        store.attach(connection)
        batches: Iterator[pa.RecordBatch] = connection.sql(
            "SELECT * EXCLUDE (file_row_number) FROM read_parquet("  # noqa: S608 - a name of ours
            "?, union_by_name = true, hive_partitioning = false, file_row_number = true) "
            f"ORDER BY {TIMES[dataset]}, kafka_partition, kafka_offset, file_row_number",
            params=[[store.pattern(name) for name in names]],
        ).to_arrow_reader(_GROUP)
        batch = next(batches, None)
        while batch is not None:
            rest = _Rest(batch)
            yield store.write_aside(LABEL, partial(rest.write, batches, target))
            batch = rest.batch


class _Rest:
    """What of a result is not written yet."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.batch: pa.RecordBatch | None = batch

    def write(self, batches: Iterator[pa.RecordBatch], target: int, file: BinaryIO) -> None:
        assert self.batch is not None
        with parquet_writer(file, self.batch) as writer:
            enough = False
            while self.batch is not None and not enough:
                writer.write_batch(self.batch)
                self.batch, enough = next(batches, None), file.tell() >= target
