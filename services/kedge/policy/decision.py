"""Whether to roll back, and where to: a claim that the target would do better, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass

from kedge.attribution.wording import time_text
from kedge.policy.candidates import best
from kedge.policy.case import Case

_DAY = 86_400_000_000
"""In microseconds."""


@dataclass(frozen=True, slots=True)
class GoBack:
    """The alias is to be moved, if it is still where the evidence is about.

    Attributes:
        to_release: where to.
        expected_generation: of the alias, as long as it was not moved since.
        reason: why there.
        candidates: all that nothing speaks against, the target first.
    """

    to_release: int
    expected_generation: int
    reason: str
    candidates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WentBack:
    """The alias was moved off the release for cause before, by the move of this generation."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The alias stays where it is.

    Attributes:
        reason: why.
        for_now: whether the next window, or a later hour, may change that.
    """

    reason: str
    for_now: bool = False


def decide(case: Case) -> GoBack | WentBack | Refused:
    """What to do about an incident whose rule asks for a rollback.

    In this order:

    1. An incident moves an alias once. Where its move is in the history, that is the answer,
       whatever came later, with its reason; so a process that died after the move says the same
       again. An alias that was rolled back from the same release for another incident, and not
       moved since, is an answer too: of the columns that fail together, the first moves the alias.
    2. The alias must point at the release that the evidence is about. It may come to do so, as long
       as the incident is on: a canary that is sick can be promoted.
    3. The fault must have come with the release. What comes from upstream or the world is there in
       every release. As long as it is unclear which, nothing is moved.
    4. Neither within the cooldown nor beyond the day's budget.
    5. The target is the best of the releases that nothing speaks against; see `candidates`.

    Whether the policy lets anybody move the alias is not asked here.
    """
    incident, alias = case.incident, case.incident.alias
    if not case.history:
        return Refused(f"there is no alias {alias}, so nothing can be moved")
    current = case.history[-1]
    if (done := _done(case)) is not None:
        return done
    if current.to_release != incident.release:
        return Refused(
            f"{alias} points at release {current.to_release}, "
            f"and the evidence is about release {incident.release}",
            for_now=True,
        )
    if case.verdict.came_with_release is False:
        whose = "" if case.verdict.blame == "unclear" else f": blame {case.verdict.blame}"
        return Refused(
            f"going back would not help, as the fault did not come with the release{whose}"
        )
    if case.verdict.came_with_release is None:
        return Refused("it is unclear whether going back would help", for_now=True)
    if (limit := _limit(case)) is not None:
        return Refused(limit, for_now=True)
    choice = best(case)
    if not choice.ranked:
        return Refused(choice.reason, for_now=choice.may_change)
    return GoBack(choice.ranked[0], current.generation, choice.reason, choice.ranked)


def _done(case: Case) -> WentBack | None:
    incident, current = case.incident, case.history[-1]
    for move in case.history:
        if move.incident == incident.id:
            since = "" if move is current else "; the alias was moved again since"
            return WentBack(move.generation, f"{move.reason}{since}")
    if current.incident is not None and current.from_release == incident.release:
        return WentBack(
            current.generation,
            f"already rolled back to release {current.to_release} for incident {current.incident}",
        )
    return None


def _limit(case: Case) -> str | None:
    """Why the guard allows no rollback now; None where it does."""
    times = [move.moved_at for move in case.history if move.incident is not None]
    if times:
        free_at = times[-1] + round(case.guard.cooldown_seconds * 1e6)
        if case.now < free_at:
            return (
                f"the last rollback of {case.incident.alias} was at {time_text(times[-1])}; "
                f"the cooldown ends at {time_text(free_at)}"
            )
    today = sum(case.now - time < _DAY for time in times)
    if today >= case.guard.most_per_day:
        times_text = f"{today} time{'' if today == 1 else 's'}"
        return (
            f"{case.incident.alias} was rolled back {times_text} in 24 hours, and the "
            f"policy allows {case.guard.most_per_day}"
        )
    return None
