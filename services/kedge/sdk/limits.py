"""How much a logger holds, and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from kedge.errors import KedgeError

_LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much and how long; see `PredictionLogger`."""

    queue_events: int
    batch_rows: int
    linger: float
    exit_timeout: float

    @classmethod
    def checked(
        cls, queue_events: int, batch_rows: int, linger: float, exit_timeout: float
    ) -> Limits:
        """Raises KedgeError where a number is none, or none that can be."""
        for what, number in (("queue_events", queue_events), ("batch_rows", batch_rows)):
            if not isinstance(number, int) or number < 1:
                raise KedgeError(f"{what} is {number!r}, where an int of 1 or more is due")
        for what, seconds in (("linger", linger), ("exit_timeout", exit_timeout)):
            if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_WAIT:
                raise KedgeError(
                    f"{what} is {seconds!r}, where 0 to {_LONGEST_WAIT:g} seconds are due"
                )
        return cls(queue_events, batch_rows, linger, exit_timeout)
