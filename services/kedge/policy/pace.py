"""Which windows a rule looks at."""

from __future__ import annotations

from typing import Literal, NamedTuple

Clock = Literal["event", "broker"]
Part = Literal["predictions", "performance"]


class Pace(NamedTuple):
    """Windows of one length, so far apart; microseconds. What is compared is of one pace.

    With `every` less than `length` they overlap. Each part of a window's statistics is published
    and revised apart, and so has a pace of its own.

    >>> [Pace(60, 60).includes(start, start + 60) for start in (0, 30, 60)]
    [True, False, True]
    """

    length: int
    every: int
    clock: Clock = "event"
    part: Part = "predictions"

    def includes(
        self, start: int, end: int, clock: Clock = "event", part: Part = "predictions"
    ) -> bool:
        return (
            (clock, part) == (self.clock, self.part)
            and end - start == self.length
            and end % self.every == 0
        )
