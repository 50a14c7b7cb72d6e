"""Which files of an archive count: the one truth for every reader.

A compaction replaces many files by few, and no listing of folders can see that happen at once. So
each dataset of a model has a *snapshot*: an immutable, numbered file that lists the compacted files
of each date, and up to which offset of each partition they have the rows. A file of the archiver
counts if its offsets are beyond that. The next snapshot is a file that exactly one process can
make, and that moment is the compaction; retention is a snapshot too.

A reader takes the newest snapshots, then lists the folders. What was archived in between is new to
both; what was compacted in between is still there, as files are removed only after a grace period,
and after the snapshots that need them. So that a snapshot is still there after the listing tells
that nothing was missed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from kedge.archive.layout import Compacted, Raw, component, model_folder, parsed
from kedge.archive.store import Store

FOLDER = "_snapshots"
_DEPTH = 3
"""Slashes in `<dataset>/<model>/<date>/<file>`."""


@dataclass(frozen=True, slots=True)
class Day:
    """What compaction made of one date of a model.

    Attributes:
        files: names of the compacted files in the folder of the date.
        covered: for each topic and partition, the last offset that they have the rows of.
    """

    files: tuple[str, ...] = ()
    covered: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Which files of one dataset of one model count, of those that there are.

    Attributes:
        generation: its number; 0 is what there is before any compaction.
        made: when, in seconds since 1970: its predecessor is needed for the grace period from then.
        before: dates before this one were dropped; empty when none was.
        days: the dates that were compacted.
    """

    generation: int = 0
    made: float = 0.0
    before: str = ""
    days: Mapping[str, Day] = field(default_factory=dict)

    def drops(self, date: str) -> bool:
        """Whether retention has dropped a date; `other` is none."""
        return date < self.before

    def counts(self, date: str, name: str) -> bool:
        """Whether a file in the folder of a date is part of the archive."""
        day = self.days.get(date, Day())
        match parsed(name):
            case Raw(source, _, last):
                return not self.drops(date) and last > day.covered.get(source, -1)
            case Compacted():
                return name in day.files
        return False

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Snapshot:
        record = json.loads(data)
        days = {
            date: Day(tuple(day["files"]), day["covered"]) for date, day in record["days"].items()
        }
        return cls(**{**record, "days": days})


@dataclass(frozen=True, slots=True)
class Listing:
    """Files that count, at one moment.

    Attributes:
        files: their names, sorted; compacted ones before those of the archiver.
        snapshots: by folder of a dataset's model, the snapshot that says so.
    """

    files: list[str]
    snapshots: Mapping[str, Snapshot]


class Catalog:
    """Which files of an archive count, at any moment.

    Args:
        store: the archive.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: dict[str, Snapshot] = {}

    def files(self, dataset: str, *, model: str | None = None, since: str = "") -> list[str]:
        """Names of the files that have the rows of a dataset, each row in one of them.

        They are there for the grace period from now on, whatever is compacted or dropped.

        Args:
            dataset: which one.
            model: of this model only.
            since: of this date and later ones only, as `2013-02-01`.
        """
        return self.listed(dataset, model=model, since=since).files

    def listed(self, dataset: str, *, model: str | None = None, since: str = "") -> Listing:
        """As `files`, with the snapshots."""
        within = dataset if model is None else model_folder(dataset, model)
        while True:
            generations = self.generations(within)
            try:
                listing = self._listed(within, generations, since)
            except FileNotFoundError:
                continue  # a newer snapshot is there, as this one was removed
            # A model without any had its generation 0, which the first compaction writes down.
            if all(
                max(generations.get(folder, [0])) in kept
                for folder, kept in self.generations(within).items()
            ):
                return listing

    def snapshot(self, folder: str) -> Snapshot:
        """The newest snapshot of a dataset of a model: `predictions/model=flights`."""
        return self._read(folder, max(self.generations(folder).get(folder, [0])))

    def replaced(self, name: str) -> bool:
        """Whether a file that is not there was compacted or dropped, and is not lost."""
        folder, date, file = name.rsplit("/", 2)
        return not self.snapshot(folder).counts(date.removeprefix("date="), file)

    def generations(self, within: str) -> dict[str, list[int]]:
        """Numbers of the snapshots that are kept, by folder of a dataset's model."""
        found: dict[str, list[int]] = {}
        for path, _size in self._store.below(f"{FOLDER}/{within}"):
            folder, _, number = path.removeprefix(f"{FOLDER}/").rpartition("/")
            found.setdefault(folder, []).append(int(number.removesuffix(".json")))
        return found

    def at(self, folder: str, generation: int) -> Snapshot:
        """A snapshot that is kept.

        Raises:
            FileNotFoundError: it is not.
        """
        return Snapshot.from_bytes(self._store.read(snapshot_name(folder, generation)))

    def commit(self, folder: str, snapshot: Snapshot) -> bool:
        """Make `snapshot` the newest; False when there is another one of its generation.

        Raises:
            OSError: it may or may not be there.
        """
        if snapshot.generation == 1:
            self._store.create(snapshot_name(folder, 0), Snapshot().to_bytes())
        return self._store.create(snapshot_name(folder, snapshot.generation), snapshot.to_bytes())

    def _listed(self, within: str, generations: Mapping[str, list[int]], since: str) -> Listing:
        snapshots = defaultdict(
            Snapshot,
            {folder: self._read(folder, max(kept)) for folder, kept in generations.items()},
        )
        raw = (
            f"{folder}/date={date}/{name}"
            for folder, date, name in self._on_the_store(within, since)
            if isinstance(parsed(name), Raw) and snapshots[folder].counts(date, name)
        )
        # Not as they are listed: one that should be there and is not has to be an error.
        compacted = (
            f"{folder}/date={date}/{name}"
            for folder, snapshot in list(snapshots.items())
            for date, day in snapshot.days.items()
            if date >= since
            for name in day.files
        )
        return Listing(sorted((*raw, *compacted)), snapshots)

    def _on_the_store(self, within: str, since: str) -> Iterator[tuple[str, str, str]]:
        """Folder of the model, date and name of each file."""
        for days in self._days(within, since):
            for path, _size in self._store.below(days):
                if path.count("/") == _DEPTH:
                    folder, day, name = path.rsplit("/", 2)
                    yield folder, day.removeprefix("date="), name

    def _days(self, within: str, since: str) -> Iterator[str]:
        """The folders to list with all that is below: as few as will do."""
        if not since:
            yield within
            return
        models = [within] if "/" in within else models_of(self._store, within)
        for folder in models:
            for day in self._store.names(folder):
                if day >= component("date", since):
                    yield f"{folder}/{day}"

    def _read(self, folder: str, generation: int) -> Snapshot:
        known = self._newest.get(folder, Snapshot())
        if known.generation != generation:
            known = self._newest[folder] = self.at(folder, generation)
        return known


def models_of(store: Store, dataset: str) -> list[str]:
    """The folders of a dataset's models."""
    return sorted(f"{dataset}/{name}" for name in store.names(dataset) if "=" in name)


def next_snapshot(before: Snapshot, now: float) -> Snapshot:
    """The same again, to be changed."""
    return replace(before, generation=before.generation + 1, made=now)


def snapshot_name(folder: str, generation: int) -> str:
    return f"{FOLDER}/{folder}/{generation:08d}.json"
