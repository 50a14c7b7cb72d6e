"""Whether to roll back, and where to: a claim that the target would do better, or a refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kedge.policy.incidents import Incident
from kedge.policy.readings import Reading, telling, time_text
from kedge.policy.rules import Rollback, Rule

_DAY = 86_400_000_000
"""In microseconds."""


class Move(Protocol):
    """A move of an alias, as the registry keeps it."""

    @property
    def generation(self) -> int: ...
    @property
    def from_release(self) -> int | None: ...
    @property
    def to_release(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def incident(self) -> str | None:
        """The incident that a rollback answers; None for every other move."""

    @property
    def moved_at(self) -> int: ...


class Rehearsed(Protocol):
    """What came of replaying a release."""

    @property
    def ok(self) -> bool | None:
        """Whether it would do better; None where the rehearsal can't say."""

    @property
    def because(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to decide on.

    Attributes:
        incident: what fires.
        rule: by which rule.
        guard: what the policy allows.
        readings: the same statistic, by release, oldest window first; this release's own too.
        history: every move of the alias, oldest first.
        now: on the clock of the moves, microseconds since 1970.
        rehearsals: of the releases that were rehearsed, by number.
    """

    incident: Incident
    rule: Rule
    guard: Rollback
    readings: Mapping[int, Sequence[Reading]]
    history: Sequence[Move]
    now: int
    rehearsals: Mapping[int, Rehearsed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GoBack:
    """The alias is to be moved, if it is still where the evidence is about."""

    to_release: int
    expected_generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class WentBack:
    """The alias was moved off the release for cause before, by the move of this generation."""

    generation: int
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The alias stays where it is."""

    reason: str


def decide(case: Case) -> GoBack | WentBack | Refused:
    """What to do about an incident whose rule asks for a rollback.

    In this order:

    1. An incident moves an alias once. Where its move is in the history, that is the answer,
       whatever came later, with its reason; so a process that died after the move says the same
       again. An alias that was rolled back from the same release for another incident, and not
       moved since, is an answer too: of the columns that fail together, the first moves the alias.
    2. The alias must point at the release that the evidence is about.
    3. The release must have come with the fault: one with windows of its own under the threshold
       before the stretch was hit by something else, and going back would not help.
    4. Neither within the cooldown nor beyond the day's budget.
    5. The target is the last earlier release on this alias that was never rolled back for cause
       whose newest windows were under the threshold, and that did not fail where it was
       rehearsed.

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
            f"and the evidence is about release {incident.release}"
        )
    own = telling(case.rule, case.readings.get(incident.release, ()))
    before = [r for r in own if r.window.start < incident.starts_at]
    if healthy := [r for r in before if not r.is_over(case.rule)]:
        return Refused(
            f"release {incident.release} had {_count(len(healthy), 'window')} under the threshold "
            f"before, the last of {time_text(healthy[-1].window.start)}: the fault did not come "
            "with the release, so it likely lies upstream or in the world, "
            "and going back would not help"
        )
    if (limit := _limit(case)) is not None:
        return Refused(limit)
    target, reason = _target(case)
    if target is None:
        return Refused(reason)
    return GoBack(target, current.generation, reason)


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
        return (
            f"{case.incident.alias} was rolled back {_count(today, 'time')} in 24 hours, and the "
            f"policy allows {case.guard.most_per_day}"
        )
    return None


def _target(case: Case) -> tuple[int | None, str]:
    """Where to go back to and why, or None and why not to any."""
    objections: list[str] = []
    for number in _earlier(case):
        if (objection := _objection(case, number)) is None:
            newest = telling(case.rule, case.readings[number])[-1]
            rehearsed = case.rehearsals.get(number)
            return number, (
                f"{case.incident.subject} was {newest.value:.4g} in the window of "
                f"{time_text(newest.window.start)} of release {number}, "
                f"not {case.rule.comparison} {case.rule.threshold:g}"
                + ("" if rehearsed is None else f"; rehearsed: {rehearsed.because}")
            )
        objections.append(objection)
    if not objections:
        return None, f"{case.incident.alias} pointed at no other release before"
    return None, "no earlier release qualifies: " + "; ".join(objections)


def _earlier(case: Case) -> Iterator[int]:
    """The releases that the alias pointed at before, the last first, each once."""
    seen = {case.incident.release}
    for move in reversed(case.history):
        if move.to_release not in seen:
            seen.add(move.to_release)
            yield move.to_release


def _objection(case: Case, number: int) -> str | None:
    """Why not to go back to a release; None where nothing speaks against it."""
    if any(m.incident is not None and m.from_release == number for m in case.history):
        return f"release {number} was itself rolled back for cause"
    newest = telling(case.rule, case.readings.get(number, ()))[-case.rule.resolve_windows :]
    if len(newest) < case.rule.resolve_windows:
        return (
            f"of release {number} there are {len(newest)} windows with enough rows, and "
            f"{case.rule.resolve_windows} are needed as evidence"
        )
    if sick := [r for r in newest if r.is_over(case.rule)]:
        return (
            f"release {number} was at {sick[-1].value:.4g} itself in its window of "
            f"{time_text(sick[-1].window.start)}"
        )
    rehearsed = case.rehearsals.get(number)
    if rehearsed is not None and rehearsed.ok is False:
        return f"release {number} failed its rehearsal: {rehearsed.because}"
    return None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
