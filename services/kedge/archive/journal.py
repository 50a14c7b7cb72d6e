"""Which offsets of a topic partition are in the archive: the one truth about it.

A flush claims its range of offsets before it gives its files their names. The claim is a file that
exactly one process can make, named by the first offset, and the first offset is always the one
after the range before. So two archivers that both believe to own a partition, as after a long
pause of one, can't both archive a row: the second to claim finds the offset taken. A claim lists
its files, so that whoever comes after a crash sees whether they are all there, and if not makes
them again from the same offsets.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from kedge.archive.snapshots import Catalog
from kedge.archive.store import Store

FOLDER = "_journal"
_KEPT = 100
"""Claims of a partition that are kept: the newest counts, the others are for people."""


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets that were archived together.

    Attributes:
        first: the offset after the range before; not every offset has a message.
        last: offset of the last message.
        messages: messages in the range.
        rows: rows that they made.
        unreadable: messages that could not be read, which made none.
        files: names of the files with these rows, relative to the archive.
        columns: generation of each model's columns that the files were written with.
    """

    first: int
    last: int
    messages: int
    rows: int
    unreadable: int
    files: tuple[str, ...]
    columns: dict[str, int] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Range:
        record: dict[str, Any] = json.loads(data)
        return cls(**{**record, "files": tuple(record["files"])})


class Journal:
    """The claims on one partition.

    Args:
        store: the archive.
        dataset: what the topic is archived as.
        topic_id: Kafka's own id of the topic: one that was deleted and made anew under its name
            counts its offsets from 0 again, and is another.
        partition: the partition.
    """

    def __init__(self, store: Store, dataset: str, topic_id: str, partition: int) -> None:
        self._store = store
        self._catalog = Catalog(store)
        self._folder = f"{FOLDER}/{dataset}/{topic_id}/p{partition:04d}"

    def newest(self) -> Range | None:
        """The range that archiving goes on after."""
        firsts = self._firsts()
        return Range.from_bytes(self._store.read(self._name(firsts[-1]))) if firsts else None

    def lacking(self, range_: Range) -> list[str]:
        """The files of a range that were never there, or were lost."""
        # In this order: what was replaced after it was seen to be missing was there before.
        missing = [name for name in range_.files if not self._store.exists(name)]
        return [name for name in missing if not self._catalog.replaced(name)]

    def claim(self, range_: Range) -> bool:
        """Take `range_`; False when somebody else has its first offset or a later one."""
        if not self._store.create(self._name(range_.first), range_.to_bytes()):
            return False
        firsts = self._firsts()
        if firsts[-1] != range_.first:
            # Only a process that slept while a hundred ranges went by comes here: the claim that
            # should have stopped it is no longer kept.
            self._store.remove([self._name(range_.first)])
            return False
        self._store.remove(self._name(first) for first in firsts[:-_KEPT])
        return True

    def _firsts(self) -> list[int]:
        return sorted(int(name.removesuffix(".json")) for name in self._store.names(self._folder))

    def _name(self, first: int) -> str:
        return f"{self._folder}/{first:012d}.json"


def newest_offsets(store: Store, dataset: str) -> dict[str, int]:
    """For each topic and partition, the last offset of its newest range.

    The files of all ranges before it have their names: only then is the next one claimed.
    """
    offsets = {}
    for topic_id in store.names(f"{FOLDER}/{dataset}"):
        for folder in store.names(f"{FOLDER}/{dataset}/{topic_id}"):
            newest = Journal(store, dataset, topic_id, int(folder[1:])).newest()
            if newest is not None:
                offsets[f"{topic_id}/{folder}"] = newest.last
    return offsets
