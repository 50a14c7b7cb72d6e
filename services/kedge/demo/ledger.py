"""Nothing is lost: what was sent against what was profiled, given up and archived."""

from __future__ import annotations

import time
from dataclasses import dataclass

from kedge.archive import connect
from kedge.broker import connection
from kedge.contracts import Topics, decode
from kedge.settings import Settings
from kedge.streams import CommittedLog


@dataclass(frozen=True, slots=True)
class Sums:
    """Counts of predictions, and of outcomes where it says so."""

    profiled: int
    dead_lettered: int
    archived: int
    outcomes_archived: int


class Ledger:
    """Reads what was committed to the topics and archived, by ways of its own."""

    def __init__(self, settings: Settings) -> None:
        kafka, topics = connection(settings), Topics(settings.topic_prefix)
        partitions = range(settings.stream.partitions)
        self._profiles = [CommittedLog(kafka, topics.profiles, p) for p in partitions]
        self._dead = [CommittedLog(kafka, topics.deadletter, p) for p in partitions]
        self._archive = connect(settings.archive_url)
        self._profiled = self._given_up = 0

    def close(self) -> None:
        for log in (*self._profiles, *self._dead):
            log.close()
        self._archive.close()

    def sums(self) -> Sums:
        """What has arrived by now."""
        for log in self._profiles:
            for _key, value in log.news():
                self._profiled += decode(value, "profile")[1]["rows"]
        for log in self._dead:
            for _key, value in log.news():
                letter = decode(value, "dead_letter")[1]
                # The other services give up what was profiled, or no prediction at all.
                if letter["service"] == "profiler":
                    self._given_up += max(letter["rows"], 1)
        return Sums(
            self._profiled, self._given_up, self._rows("predictions"), self._rows("outcomes")
        )

    def settled(self, predictions: int, outcomes: int, patience: float) -> Sums:
        """The sums once they agree with what was sent, or at the end of `patience` seconds."""
        deadline = time.monotonic() + patience
        while True:
            sums = self.sums()
            agree = (
                sums.profiled + sums.dead_lettered == predictions
                and sums.archived == predictions
                and sums.outcomes_archived == outcomes
            )
            if agree or time.monotonic() > deadline:
                return sums
            time.sleep(0.3)

    def _rows(self, view: str) -> int:
        row = self._archive.execute(f"SELECT count(*) FROM {view}").fetchone()  # noqa: S608
        assert row is not None
        return int(row[0])
