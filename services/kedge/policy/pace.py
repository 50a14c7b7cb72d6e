"""Which windows a rule looks at."""

from __future__ import annotations

from typing import Literal, NamedTuple

Clock = Literal["event", "broker"]


class Pace(NamedTuple):
    """Windows of one length, so far apart; microseconds. What is compared is of one pace.

    With `every` less than `length` they overlap.

    >>> [Pace(60, 60).includes(start, start + 60) for start in (0, 30, 60)]
    [True, False, True]
    """

    length: int
    every: int
    clock: Clock = "event"

    def includes(self, start: int, end: int, clock: Clock = "event") -> bool:
        return clock == self.clock and end - start == self.length and end % self.every == 0
