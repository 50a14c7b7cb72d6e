"""What compaction replaced and retention dropped is removed when no reader can need it any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kedge.archive.layout import Compacted, Raw, parsed
from kedge.archive.snapshots import Catalog, Snapshot, next_snapshot, snapshot_name
from kedge.archive.store import Store

_ASIDES = 86_400.0
"""Seconds after which a file in the making was left by a crash."""


def doomed(store: Store, folder: str, before: str) -> dict[str, int]:
    """Sizes in bytes, by name, of the files that dropping the dates before one would drop.

    Args:
        store: the archive.
        folder: of the model: `predictions/model=flights`.
        before: the first date that is kept.
    """
    snapshot = Catalog(store).snapshot(folder)
    found = {}
    for path, size in store.below(folder):
        _, day, name = path.rsplit("/", 2)
        date = day.removeprefix("date=")
        if date < before and snapshot.counts(date, name):
            found[path] = size
    return found


def drop(store: Store, folder: str, before: str, now: float) -> int:
    """Take the dates before one out of the archive; how many files that were.

    What arrives for one of them later does not count either. See `doomed` for the arguments.
    """
    catalog = Catalog(store)
    while True:
        files = doomed(store, folder, before)
        old = catalog.snapshot(folder)
        if before <= old.before or not files:
            return 0
        days = {date: day for date, day in old.days.items() if date >= before}
        if catalog.commit(folder, replace(next_snapshot(old, now), before=before, days=days)):
            return len(files)


def clear(store: Store, folder: str, grace: float, now: float) -> int:
    """Remove the files that no reader needs who asked for them within the grace period.

    Args:
        store: the archive.
        folder: of the model.
        grace: seconds for which files stay that were replaced.
        now: in seconds since 1970.

    Returns:
        How many files were removed.
    """
    catalog = Catalog(store)
    numbers = sorted(catalog.generations(folder).get(folder, ()))
    if not numbers:
        return 0
    snapshots = [catalog.at(folder, number) for number in numbers]
    fresh = [i for i, each in enumerate(snapshots[1:]) if each.made > now - grace]
    first = min(fresh, default=len(snapshots) - 1)
    gone, kept = snapshots[:first], snapshots[first:]
    # First the snapshots: a reader who still finds his has missed nothing.
    store.remove(snapshot_name(folder, snapshot.generation) for snapshot in gone)
    removed = list(_unneeded(store, folder, kept))
    store.remove(removed)
    for date in {path.split("/")[-2].removeprefix("date=") for path in removed}:
        if kept[0].drops(date):
            store.remove_folder(f"{folder}/date={date}")
    store.clear_old_asides(now - _ASIDES)
    return len(removed)


def _unneeded(store: Store, folder: str, kept: list[Snapshot]) -> Iterator[str]:
    oldest, newest = kept[0], kept[-1]
    for path, _size in store.below(folder):
        _, day, name = path.rsplit("/", 2)
        date = day.removeprefix("date=")
        match parsed(name):
            case Raw():
                # What it covers and drops, all later ones do.
                if not oldest.counts(date, name):
                    yield path
            case Compacted(generation):
                # Whoever made a later one may be about to make its snapshot.
                if generation <= newest.generation and not any(
                    snapshot.counts(date, name) for snapshot in kept
                ):
                    yield path
