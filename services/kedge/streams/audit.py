"""Pure: the fold of accounts into windows of the broker's clock, with what producers miss.

One `Audit` holds what one partition of the accounts topic brings: all accounts of some models. Its
state goes in and out as keys and values, so it lives in a compacted topic. `docs/conservation.md`
has the rules for users.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from kedge.contracts import Record
from kedge.statistics import Conservation
from kedge.streams.accounts import NO_MODEL
from kedge.streams.ledger import Ledger, Served
from kedge.streams.sequences import Run
from kedge.streams.window import as_bytes

Name = tuple[str, str]
"""Of a producer: the model whose events it numbers, and its id."""


@dataclass(slots=True)
class _Entry:
    """One release in the window that is open.

    Attributes:
        model_version: of the release, as its messages say.
        code_version: of the release, as its messages say.
        counts: of the open window; what is missing is not in it.
        uneasy: the window before had something lost, late or twice: that it is over has to be told.
    """

    model_version: str
    code_version: str
    counts: Conservation = field(default_factory=Conservation)
    uneasy: bool = False

    def to_json(self) -> Record:
        counts = self.counts
        return {
            "model_version": self.model_version,
            "code_version": self.code_version,
            "counts": [
                counts.received,
                counts.dropped,
                counts.dead_lettered,
                counts.duplicate,
                counts.late,
            ],
            "uneasy": self.uneasy,
        }

    @classmethod
    def from_json(cls, state: Record) -> Self:
        return cls(
            state["model_version"],
            state["code_version"],
            Conservation(*state["counts"]),
            state["uneasy"],
        )


class Audited(NamedTuple):
    """One window of one release, to be published; once, there are no revisions."""

    served: Served
    model_version: str
    code_version: str
    start: int
    end: int
    counts: Conservation


class Audit:
    """Windows of the broker's clock over the accounts of one partition. Times in microseconds.

    Accounts come in the order of the broker's clock, so one window is open at a time, and it ends
    with the first account after it. When none comes for `idle_after`, time goes on with the clock.
    The windows are those of a release that had an account or something lost, and one more after
    that, so that its end is told too.

    Args:
        window: length of a window.
        grace: a number that is lacking for so long is missing.
        give_up_after: a number that is lacking for so long is not waited for any more.
        idle_after: how long without an account until the clock is asked.
        most_producers: how many are remembered; of more, the longest without news is forgotten.
    """

    def __init__(
        self, *, window: int, grace: int, give_up_after: int, idle_after: int, most_producers: int
    ) -> None:
        self._window, self._grace, self._give_up_after = window, grace, give_up_after
        self._idle_after, self._most_producers = idle_after, most_producers
        self._entries: dict[Served, _Entry] = {}
        # The longest without news first.
        self._ledgers: dict[Name, Ledger] = {}
        self._lacking: set[Name] = set()
        # The newest account's time; None before the first.
        self._time: int | None = None
        self._start = 0
        self._heard = 0
        # Whether every producer is known from its first number on.
        self._whole = True
        self._touched_entries: set[Served] = set()
        self._touched_ledgers: set[Name] = set()
        self._touched_time = False

    def take(self, account: Record, offset: int, time: int, now: int) -> list[Audited]:
        """Enter one record of the `account` contract.

        Args:
            account: the record.
            offset: of its message.
            time: when the broker took it.
            now: the clock.

        Returns:
            The windows that ended before it.
        """
        if self._time is None:
            self._time = time
            self._start = time // self._window * self._window
            # Older accounts are gone: what they said of producers is not known.
            self._whole = offset == 0
        # A clock that is set back stands still here.
        self._time = max(self._time, time)
        self._heard, self._touched_time = now, True
        ended = self._ended(self._time)
        if account["model"] != NO_MODEL:
            self._enter(account, max(self._time, self._start))
        return ended

    def quiet(self, now: int) -> list[Audited]:
        """The windows that have ended by the clock, where accounts have stopped to come."""
        pause = now - self._heard
        if self._time is None or not self._entries or pause < self._idle_after:
            return []
        ended = self._ended(self._time + pause)
        if ended:
            # Where it stopped, another process goes on.
            self._time, self._heard = self._time + pause, now
        return ended

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for served in sorted(self._touched_entries):
            entry = self._entries.get(served)
            name = as_bytes(["release", *served])
            yield name, None if entry is None else as_bytes(entry.to_json())
        for model, producer in sorted(self._touched_ledgers):
            ledger = self._ledgers.get((model, producer))
            name = as_bytes(["producer", model, producer])
            yield name, None if ledger is None else as_bytes(ledger.to_json())
        if self._touched_time:
            state = {"time": self._time, "start": self._start, "whole": self._whole}
            yield as_bytes(["time"]), as_bytes(state)
        self._touched_entries.clear()
        self._touched_ledgers.clear()
        self._touched_time = False

    def restore(self, state: Iterable[tuple[bytes, bytes | None]], now: int) -> None:
        """Take over what `changes` once gave."""
        table = dict(state)
        for name, value in table.items():
            if value is None:
                continue
            known = json.loads(value)
            match json.loads(name):
                case ["release", model, environment, release]:
                    self._entries[Served(model, environment, release)] = _Entry.from_json(known)
                case ["producer", model, producer]:
                    self._ledgers[model, producer] = Ledger.from_json(known)
                case ["time"]:
                    self._time, self._start = known["time"], known["start"]
                    self._whole = known["whole"]
                case other:
                    raise ValueError(f"state of an unknown kind: {other}")
        by_age = sorted(self._ledgers.items(), key=lambda item: (item[1].heard, item[0]))
        self._ledgers = dict(by_age)
        self._lacking = {name for name, ledger in self._ledgers.items() if ledger.gaps}
        self._heard = now

    def _enter(self, account: Record, time: int) -> None:
        served = Served(account["model"], account["environment"], account["release"])
        entry = self._entries.get(served)
        if entry is None:
            entry = _Entry(account["model_version"], account["code_version"])
            self._entries[served] = entry
        self._touched_entries.add(served)
        dropped = 0
        for numbered in account["producers"]:
            run = Run(numbered["first_sequence"], numbered["next_sequence"])
            name = account["model"], numbered["id"]
            ledger = self._ledger(name, run, numbered["dropped"], time)
            dropped += ledger.newly_dropped(numbered["dropped"])
            ledger.take(run, served, time)
            (self._lacking.add if ledger.gaps else self._lacking.discard)(name)
        entry.counts += Conservation(
            account["rows_received"],
            dropped,
            account["rows_dead_lettered"],
            account["rows_duplicate"],
            account["rows_late"],
        )

    def _ledger(self, name: Name, run: Run, dropped: int, time: int) -> Ledger:
        """The producer's, as the one with the newest news."""
        ledger = self._ledgers.pop(name, None)
        if ledger is None:
            new = self._whole or run.first == 0
            # One that was forgotten goes on where it was: nobody knows what it told before.
            ledger = Ledger(0 if new else run.first, 0 if new else dropped, time)
        self._ledgers[name] = ledger
        self._touched_ledgers.add(name)
        if len(self._ledgers) > self._most_producers:
            oldest = next(iter(self._ledgers))
            del self._ledgers[oldest]
            self._lacking.discard(oldest)
            self._touched_ledgers.add(oldest)
            self._whole = False
        return ledger

    def _ended(self, time: int) -> list[Audited]:
        """The windows that end at or before `time`, each release's in order."""
        ended: list[Audited] = []
        while self._start + self._window <= time:
            if not self._entries:
                self._start = time // self._window * self._window
                break
            end = self._start + self._window
            missing, lacking = self._missing(end)
            for served, entry in sorted(self._entries.items()):
                counts = replace(entry.counts, missing=missing[served])
                if counts != Conservation() or entry.uneasy:
                    versions = entry.model_version, entry.code_version
                    ended.append(Audited(served, *versions, self._start, end, counts))
                    entry.uneasy = replace(counts, received=0) != Conservation()
                    entry.counts = Conservation()
                    self._touched_entries.add(served)
                if not entry.uneasy and served not in lacking:
                    del self._entries[served]
                    self._touched_entries.add(served)
            self._start = end
            self._touched_time = True
        return ended

    def _missing(self, end: int) -> tuple[Counter[Served], set[Served]]:
        """How many numbers of each release are missing, and the releases that wait for some."""
        missing: Counter[Served] = Counter()
        lacking: set[Served] = set()
        for name in sorted(self._lacking):
            ledger = self._ledgers[name]
            if ledger.give_up(end - self._give_up_after):
                self._touched_ledgers.add(name)
            for gap in ledger.gaps:
                lacking.add(gap.served)
                if gap.since + self._grace <= end:
                    missing[gap.served] += gap.events
            if not ledger.gaps:
                self._lacking.discard(name)
        return missing, lacking
