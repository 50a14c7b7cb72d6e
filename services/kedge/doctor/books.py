"""Pure: the accounts of all micro-batches added up, and what else there is to compare them with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from kedge.contracts import Record
from kedge.streams.sequences import Run, joined


class Place(NamedTuple):
    """One model in one partition of predictions."""

    model: str
    partition: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter of the profiler.

    Attributes:
        place: its model, empty where it can't be read, and its partition.
        offset: of the message in predictions.
        rows: predictions in it.
        crashed: whether it was the loop that gave it up, as the profiler crashed on it or a topic
            did not take what it made of it. Then no account has it.
    """

    place: Place
    offset: int
    rows: int
    crashed: bool


@dataclass(frozen=True, slots=True)
class Lag:
    """Messages of a partition that a service has not committed yet."""

    service: str
    topic: str
    partition: int
    messages: int


@dataclass(slots=True)
class Books:
    """Sums of accounts.

    Attributes:
        sums: by place, the counts of the `account` contract, those of all services together.
        unmonitored: by place, rows of which the monitor made dead letters for another reason than
            lateness.
        runs: by producer and place, which of its numbers arrived.
        dropped: by producer, how many events it had dropped when it was last heard of.
        first_offsets: by partition, where the accounts begin.
        last_offsets: by partition, how far they go.
        whole: whether the oldest accounts are still there.
    """

    sums: dict[Place, Counter[str]] = field(default_factory=dict)
    unmonitored: Counter[Place] = field(default_factory=Counter)
    runs: dict[str, dict[Place, list[Run]]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    first_offsets: dict[int, int] = field(default_factory=dict)
    last_offsets: dict[int, int] = field(default_factory=dict)
    whole: bool = True

    def add(self, account: Record) -> None:
        """Enter one record of the `account` contract."""
        place = Place(account["model"], account["partition"])
        sums = self.sums.setdefault(place, Counter())
        if account["service"] == "monitor":
            sums["rows_late"] += account["rows_late"]
            # What is dead-lettered below is so by the profiler.
            self.unmonitored[place] += account["rows_dead_lettered"]
            return
        for name, value in account.items():
            if name.startswith(("rows_", "messages")):
                sums[name] += value
        self.cover(place.partition, account["first_offset"], account["last_offset"])
        for producer in account["producers"]:
            name = producer["id"]
            self.dropped[name] = max(self.dropped.get(name, 0), producer["dropped"])
            self._enter(name, place, Run(producer["first_sequence"], producer["next_sequence"]))

    def cover(self, partition: int, first: int, last: int) -> None:
        """Take note that offsets are accounted for."""
        self.first_offsets[partition] = min(self.first_offsets.get(partition, first), first)
        self.last_offsets[partition] = max(self.last_offsets.get(partition, last), last)

    def _enter(self, name: str, place: Place, run: Run) -> None:
        runs = self.runs.setdefault(name, {}).setdefault(place, [])
        # Mostly it goes on where the last one ended: then the list does not grow.
        if runs and runs[-1].following == run.first:
            runs[-1] = Run(runs[-1].first, run.following)
        else:
            runs.append(run)
            if len(runs) > _MANY:
                runs[:] = joined(runs)


_MANY = 1000


@dataclass(slots=True)
class Evidence:
    """All that the doctor looks at.

    Attributes:
        books: the accounts.
        letters: dead letters of the profiler about what the accounts are about.
        letters_whole: whether the oldest are still there.
        archived: by place, rows in the archive between the first and the last accounted offset.
        archive_next: by partition, the offset that the archiver goes on at; nothing where it never
            was. What is before it was in the archive when the rows were counted.
        lags: what each service has before it.
        dropped: by model, the date before which the archive has dropped all days.
    """

    books: Books
    letters: list[Letter]
    letters_whole: bool
    archived: dict[Place, int]
    archive_next: dict[int, int]
    lags: list[Lag]
    dropped: dict[str, str] = field(default_factory=dict)
