"""Where to go back to: the releases that could serve instead, by what speaks for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kedge.attribution.wording import time_text
from kedge.policy.case import Case
from kedge.policy.readings import Reading, telling
from kedge.policy.rules import Rule
from kedge.statistics.drift import MODERATE


class Choice(NamedTuple):
    """Where to go back to.

    Attributes:
        ranked: the releases that qualify, the best first.
        reason: why the first one, or why none.
        may_change: whether what speaks against the others may pass.
    """

    ranked: tuple[int, ...]
    reason: str
    may_change: bool = False


def best(case: Case) -> Choice:
    """Where to go back to.

    A candidate is what the alias pointed at before, or an earlier release that exchanges the blamed
    part alone. One of these comes first: it keeps what is not at fault. Then comes one that was
    rehearsed, then one that is healthy at the same time as the other is sick, then one whose
    reference is as near to what is asked today as that of any, and then the one that the alias
    pointed at last.
    """
    exchanging = _exchanging(case)
    numbers = list(dict.fromkeys([*_earlier(case), *exchanging]))
    objections = {number: _objection(case, number) for number in numbers}
    fit = [number for number in numbers if objections[number] is None]
    if not numbers:
        return Choice((), f"{case.incident.alias} pointed at no other release before")
    if not fit:
        told = "; ".join(each for each in objections.values() if each is not None)
        may_come = any(_last_word(case, number) is None for number in numbers)
        return Choice((), f"no earlier release qualifies: {told}", may_change=may_come)
    far = _far(case, fit)
    ranked = sorted(
        fit,
        key=lambda number: (
            number not in exchanging,
            not _is_rehearsed(case, number),
            not _concurrent(case, number),
            number in far,
        ),
    )
    return Choice(tuple(ranked), _reason(case, ranked[0], far, kept=ranked[0] in exchanging))


def _earlier(case: Case) -> list[int]:
    """The releases that the alias pointed at before, the last first, each once."""
    found = dict.fromkeys(move.to_release for move in reversed(case.history))
    return [number for number in found if number != case.incident.release]


def _exchanging(case: Case) -> list[int]:
    """Earlier releases that differ from the sick one in the blamed part alone, the newest first."""
    mine = case.releases.get(case.incident.release)
    if mine is None or case.verdict.blame not in ("model", "code"):
        return []
    return [
        number
        for number, other in sorted(case.releases.items(), reverse=True)
        if number < case.incident.release
        and (other.model_version != mine.model_version) == (case.verdict.blame == "model")
        and (other.code_version != mine.code_version) == (case.verdict.blame == "code")
    ]


def _objection(case: Case, number: int) -> str | None:
    """Why not to go back to a release; None where nothing speaks against it."""
    if (last_word := _last_word(case, number)) is not None:
        return last_word
    if (ailment := case.ailing.get(number)) is not None:
        return f"release {number} has an incident of its own: {ailment}"
    rehearsal = case.rehearsals.get(number)
    readings = _conclusive(case.rule, case.readings.get(number, ()))
    newest = readings[-case.rule.resolve_windows :]
    if sick := [r for r in newest if r.is_over(case.rule)]:
        return (
            f"release {number} was at {sick[-1].value:.4g} itself in its window of "
            f"{time_text(sick[-1].window.start)}"
        )
    if len(newest) < case.rule.resolve_windows and not (rehearsal and rehearsal.ok):
        return (
            f"of release {number} there are {len(newest)} windows with enough rows, and "
            f"{case.rule.resolve_windows} are needed as evidence"
        )
    return None


def _last_word(case: Case, number: int) -> str | None:
    """What speaks against a release and will not pass."""
    if any(m.incident is not None and m.from_release == number for m in case.history):
        return f"release {number} was itself rolled back for cause"
    rehearsal = case.rehearsals.get(number)
    if rehearsal is not None and rehearsal.ok is False:
        return f"release {number} failed its rehearsal: {rehearsal.because}"
    return None


def _conclusive(rule: Rule, readings: Sequence[Reading]) -> list[Reading]:
    """Those that say whether the release was healthy.

    Over the threshold, but without the evidence that the rule asks for, is neither.
    """
    return [r for r in telling(rule, readings) if not r.is_over(rule) or r.speaks_for(rule)]


def _is_rehearsed(case: Case, number: int) -> bool:
    rehearsal = case.rehearsals.get(number)
    return rehearsal is not None and rehearsal.ok is True


def _concurrent(case: Case, number: int) -> bool:
    """Whether it served healthily while the sick release was sick."""
    readings = _conclusive(case.rule, case.readings.get(number, ()))
    return any(r.window.start >= case.incident.starts_at for r in readings)


def _far(case: Case, fit: Sequence[int]) -> list[int]:
    """Those that were made for other inputs than the nearest of them.

    A few hundred rows tell no moderate difference from none, so what is less is no difference. And
    one input that any release has never seen the like of, a counter say, does not outweigh all
    others: how many have moved counts before how far.
    """
    known = [case.distances[number] for number in fit if number in case.distances]
    if not known:
        return []
    nearest = min(known, key=lambda each: (each.moved, each.mean))
    return [
        number
        for number in fit
        if (mine := case.distances.get(number)) is None
        or mine.moved > nearest.moved
        or mine.mean > nearest.mean + MODERATE
    ]


def _reason(case: Case, number: int, far: Sequence[int], *, kept: bool) -> str:
    parts = []
    if kept:
        stays = "model" if case.verdict.blame == "code" else "code"
        parts.append(
            f"the {case.verdict.blame} is to blame, and release {number} keeps the {stays}"
        )
    if readings := _conclusive(case.rule, case.readings.get(number, ())):
        newest = readings[-1]
        parts.append(
            f"{case.incident.subject} was {newest.value:.4g} in the window of "
            f"{time_text(newest.window.start)} of release {number}, "
            f"not {case.rule.comparison} {case.rule.threshold:g}"
        )
    parts += _told_distances(case, number, far)
    if (rehearsal := case.rehearsals.get(number)) is not None:
        parts.append(f"rehearsed: {rehearsal.because}")
    return "; ".join(parts)


def _told_distances(case: Case, number: int, far: Sequence[int]) -> list[str]:
    """How far today's inputs are from the target's reference, and from whose they are too."""
    others = [case.incident.release, *(each for each in far if each != number)]
    told = [f"of release {n} {case.distances[n]}" for n in others if n in case.distances]
    if (mine := case.distances.get(number)) is None:
        return []
    return ["; ".join([f"today's inputs against its reference: {mine}", *told])]
