"""What really was: outcomes that come late, twice, corrected, in whatever order, or never."""

from __future__ import annotations

import heapq
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.world import ENVIRONMENT, MODEL, PARTITIONS
from kedge.contracts import encode

_LATEST = 120
"""Messages of predictions after which an outcome has come."""


@dataclass(order=True, frozen=True, slots=True)
class _Due:
    at: int
    number: int
    prediction: str = field(compare=False)
    known_at: int = field(compare=False)
    truth: bool = field(compare=False)


class Outcomes:
    """Plans the outcomes of predictions, and remembers what each has to end as."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._due: list[_Due] = []
        self._planned = 0
        self.truths: dict[str, bool] = {}
        """The truth that holds in the end, by prediction; those that never come are not here."""

    def plan(self, prediction: str, score: float, event_time: int, now: int) -> None:
        """Plan what comes for a prediction, after the message `now`: nothing in four of ten."""
        dice = self._dice
        if dice.random() < 0.4:
            return
        truth = dice.random() < score
        known_at = event_time + 1
        self.truths[prediction] = truth
        match dice.random():
            case p if p < 0.1:  # the wrong one first, or last: the one known later holds
                self._at(now, prediction, known_at, truth=not truth)
                self._at(now, prediction, known_at + 1, truth=truth)
            case p if p < 0.15:  # the same twice
                self._at(now, prediction, known_at, truth=truth)
                self._at(now, prediction, known_at, truth=truth)
            case _:
                self._at(now, prediction, known_at, truth=truth)

    def _at(self, now: int, prediction: str, known_at: int, *, truth: bool) -> None:
        self._planned += 1
        at = now + self._dice.randint(0, _LATEST)
        heapq.heappush(self._due, _Due(at, self._planned, prediction, known_at, truth))

    def due(self, now: float) -> Iterator[tuple[bytes, bytes, int]]:
        """Messages to be sent by now: key, value and partition."""
        while self._due and self._due[0].at <= now:
            due = heapq.heappop(self._due)
            record = {
                "prediction_id": due.prediction,
                "model": MODEL,
                "environment": ENVIRONMENT,
                "known_at": due.known_at,
                "truth": due.truth,
            }
            key = due.prediction.encode()
            yield key, encode("outcome", record), zlib.crc32(key) % PARTITIONS
