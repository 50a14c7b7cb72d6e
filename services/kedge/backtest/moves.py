"""Pure: when, in event time, an alias was moved.

Where predictions are made and logged as they happen, that is when the move was made. Where history
was played back, as in a demo or a load of old logs, the moves are of another time than the events.
That shows by a release that predicted before it was made. Then what the log says of each move
counts: the window that a rollback answered, and the first prediction of what was moved to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kedge.policy import Move

NEVER = 2**62
"""Later than any event."""


@dataclass(frozen=True, slots=True)
class PastMove:
    """A move of an alias, as `kedge.policy.Move`; `moved_at` is in event time."""

    generation: int
    from_release: int | None
    to_release: int
    actor: str
    reason: str
    incident: str | None
    moved_at: int


def is_played_back(
    made: Mapping[int, int], first_predicted: Mapping[int, int], tolerance: int
) -> bool:
    """Whether the events are of another time than the releases.

    Args:
        made: when each release was made, microseconds since 1970 UTC.
        first_predicted: the event time of its first prediction.
        tolerance: how far two clocks may be apart.
    """
    return any(
        time < made[release] - tolerance
        for release, time in first_predicted.items()
        if release in made
    )


def in_event_time(
    moves: Iterable[PastMove],
    answered: Mapping[int, int],
    first_after: Callable[[int, int], int | None],
) -> list[PastMove]:
    """Moves of a history that was played back, each when the log shows it.

    Args:
        moves: in their order.
        answered: by generation, the end of the window that a rollback answered.
        first_after: of a release, the first event time after another one; None where there is none.
    """
    dated: list[PastMove] = []
    last = -NEVER
    for move in moves:
        seen = answered.get(move.generation)
        if seen is None:
            seen = first_after(move.to_release, last)
        dated.append(replace(move, moved_at=NEVER if seen is None else max(seen, last)))
        last = last if seen is None else max(seen, last)
    # A move whose release never served was over when the next one was made.
    for earlier in range(len(dated) - 2, -1, -1):
        moment = min(dated[earlier].moved_at, dated[earlier + 1].moved_at)
        dated[earlier] = replace(dated[earlier], moved_at=moment)
    return dated


class AliasHistory:
    """The moves that were made, and those that a policy would have made.

    Args:
        moves: that were made, in their order and in event time.
    """

    def __init__(self, moves: Sequence[PastMove]) -> None:
        self._made, self._would_be = tuple(moves), list[PastMove]()

    def made_for(self, incident: str) -> PastMove | None:
        """The move that answered an incident, if there was one."""
        return next((move for move in self._made if move.incident == incident), None)

    def until(self, now: int, release: int) -> list[Move]:
        """The moves until a moment, as one who decides about a release is to see them.

        A rollback off that release that was really made is left out: it was the decision of the
        policy in force. What it did about others is a fact, as the traffic went where it led.
        """
        made = [move for move in self._made if move.moved_at <= now]
        since = max((n for n, move in enumerate(made) if move.to_release == release), default=-1)
        made = [
            move
            for n, move in enumerate(made)
            if n <= since or move.incident is None or move.from_release != release
        ]
        answered = {move.incident for move in made}
        would_be = [move for move in self._would_be if move.incident not in answered]
        return sorted([*made, *would_be], key=lambda move: move.moved_at)

    def suppose(self, move: PastMove) -> None:
        """Go on as though an alias had been moved."""
        self._would_be.append(move)
