"""What happens in the story, and what is right to do about it. Times: microseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from kedge.attribution import Blame

SECOND = 1_000_000
DAY = 86_400 * SECOND


def instant(month: int, day: int, hour: int = 5) -> int:
    """A moment of 2013; New York's day begins at 5:00 UTC in winter."""
    return int(datetime(2013, month, day, hour, tzinfo=UTC).timestamp()) * SECOND


def day_text(micros: int) -> str:
    return datetime.fromtimestamp(micros / SECOND, UTC).strftime("%-d %B")


YEAR_BEGINS = instant(1, 1)
TRAINED_UNTIL = instant(1, 29)
YEAR_ENDS = YEAR_BEGINS + 366 * DAY


@dataclass(frozen=True, slots=True)
class Training:
    """How a model is made.

    Attributes:
        since: departure of the first flight it learns from.
        until: first departure after these.
        shuffled: whether outcomes went to flights that they are not of.
    """

    since: int
    until: int
    shuffled: bool = False


MODELS = {
    "january": Training(YEAR_BEGINS, TRAINED_UNTIL),
    # What a wrong key in a join does: inputs and the share of late flights are as they should be.
    "spring": Training(instant(5, 1), instant(6, 8), shuffled=True),
}


@dataclass(frozen=True, slots=True)
class Ships:
    """A release: one of `MODELS`, and a folder of `code`."""

    model: str
    code: str


FIRST = Ships("january", "first")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One incident.

    Attributes:
        name: in the summary.
        begins: when the fault does.
        told: what happens then, for whoever watches.
        rule: of the policy, that is to fire.
        blame: whose fault it is.
        ships: the release that brings the fault; None where it comes from outside.
    """

    name: str
    begins: int
    told: str
    rule: str
    blame: Blame
    ships: Ships | None = None

    @property
    def rolls_back(self) -> bool:
        """Going back helps against what a release brought, and against nothing else."""
        return self.ships is not None


# In the order of their time, so that each has healthy weeks before it and none meets another.
CHAPTERS = (
    Chapter(
        "code loses an input",
        instant(2, 24, 12),
        "new code ships, and loses the delay of flights that leave early",
        rule="an input is lost",
        blame="code",
        ships=Ships("january", "second"),
    ),
    # Nobody makes this one: it is the first of two weeks in which the temperatures of New York were
    # farther from January's than the weeks of January from each other, by the rule of the policy.
    Chapter(
        "the season changes",
        instant(4, 25),
        "spring comes, and the model knows January only",
        rule="the season has changed",
        blame="world",
    ),
    Chapter(
        "a badly trained model",
        instant(6, 16, 12),
        "a model trained on spring ships, its outcomes joined to the wrong flights",
        rule="the model ranks badly",
        blame="model",
        ships=Ships("spring", "first"),
    ),
    Chapter(
        "the weather feed breaks",
        instant(9, 14),
        "the weather feed sends nulls from now on",
        rule="a feed sends nulls",
        blame="upstream",
    ),
)

FEED = CHAPTERS[-1]
WEATHER = ("temp", "humid", "wind_speed", "precip", "visib", "pressure")


@dataclass(frozen=True, slots=True)
class Fix:
    """New code under the same model, against what no rollback helps."""

    ships: Ships
    begins: int
    told: str


FIX = Fix(Ships("january", "third"), instant(10, 13, 12), "the fix ships: usual weather stands in")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played.

    Attributes:
        speed: seconds of event time in a second.
        days: of flights after the training; all there are by default.
    """

    speed: float
    days: int | None = None

    @property
    def until(self) -> int:
        if self.days is None:
            return YEAR_ENDS
        return min(TRAINED_UNTIL + self.days * DAY, YEAR_ENDS)

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """Those for whose end there is time."""
        return tuple(each for each in CHAPTERS if self._has_time_for(each.begins))

    @property
    def fix(self) -> Fix | None:
        return FIX if self._has_time_for(FIX.begins) else None

    def _has_time_for(self, begins: int) -> bool:
        return begins + 14 * DAY <= self.until
