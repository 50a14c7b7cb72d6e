"""Pure: which numbers of one producer are lacking, since when, and how many it dropped.

As `sequences.gaps`, but as events come: what it holds does not grow with what has arrived.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from kedge.contracts import Record
from kedge.streams.sequences import Run

_MOST_GAPS = 100
"""Gaps of one producer that are remembered; of more, the oldest is given up."""


class Served(NamedTuple):
    """A release in one environment, as predictions name it."""

    model: str
    environment: str
    release: int


class Gap(NamedTuple):
    """Numbers that have not arrived though a later one has.

    Attributes:
        run: the numbers.
        since: when the later one was accounted for, microseconds of the broker's clock.
        served: the release of the message that showed the gap, the first after it.
    """

    run: Run
    since: int
    served: Served

    @property
    def events(self) -> int:
        return self.run.following - self.run.first


@dataclass(slots=True)
class Ledger:
    """One producer's numbers of one model. A gap may be filled later, by a replay for example.

    Attributes:
        following: the number after the highest that arrived.
        dropped: events that the producer said it had dropped before they had a number.
        heard: when it was last accounted for, microseconds of the broker's clock.
        gaps: in the order of their numbers.
    """

    following: int
    dropped: int
    heard: int
    gaps: list[Gap] = field(default_factory=list)

    def take(self, run: Run, served: Served, time: int) -> None:
        """Enter events that arrived; none in it tells that all before it were numbered.

        Args:
            run: their numbers.
            served: the release that predicted them.
            time: of their account, never before that of an earlier call.
        """
        self.heard = time
        if run.first > self.following:
            self.gaps.append(Gap(Run(self.following, run.first), time, served))
        elif run.first < run.following and self.gaps:
            self.gaps = [part for gap in self.gaps for part in _without(gap, run)]
        if len(self.gaps) > _MOST_GAPS:
            del self.gaps[0]
        self.following = max(self.following, run.following)

    def newly_dropped(self, dropped: int) -> int:
        """How many more were dropped than was known, by a message that says how many in all."""
        more = max(0, dropped - self.dropped)
        self.dropped += more
        return more

    def give_up(self, until: int) -> bool:
        """Forget the gaps that are there since then or longer; whether there were any."""
        left = [gap for gap in self.gaps if gap.since > until]
        given_up = len(left) < len(self.gaps)
        self.gaps = left
        return given_up

    def to_json(self) -> Record:
        return {
            "following": self.following,
            "dropped": self.dropped,
            "heard": self.heard,
            "gaps": self.gaps,
        }

    @classmethod
    def from_json(cls, state: Record) -> Self:
        return cls(
            state["following"],
            state["dropped"],
            state["heard"],
            [Gap(Run(*run), since, Served(*served)) for run, since, served in state["gaps"]],
        )


def _without(gap: Gap, run: Run) -> list[Gap]:
    """What is still lacking of a gap when a run has arrived."""
    first, following = gap.run
    parts = Run(first, min(following, run.first)), Run(max(first, run.following), following)
    return [gap._replace(run=part) for part in parts if part.first < part.following]
