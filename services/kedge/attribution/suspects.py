"""Model, code, or something outside: which of these the comparison of releases leaves.

Each is a suspect until a comparison clears it. A release that is healthy clears the versions that
it shares with the sick one; a release that is sick too clears those that it does not share. What
comes from outside hits every release that serves, and has no reason to begin as a release does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from kedge.attribution.notes import ReleaseNotes
from kedge.attribution.symptoms import Fault, Point, Symptom, mean
from kedge.attribution.wording import count, listed, time_text

Suspect = Literal["model", "code", "outside"]

SUSPECTS: tuple[Suspect, ...] = ("model", "code", "outside")

RECENT = 3
"""Windows of a release that say how it was when it last served."""

NEAR = 6
"""Windows within which one release has to follow another, for the same world to be around both."""


class Versions(NamedTuple):
    """What a release pairs."""

    model: str
    code: str


@dataclass(slots=True)
class Suspects:
    """Who is left, and what cleared the others.

    Attributes:
        cleared: who is not to blame.
        because: what cleared them, as sentences.
        came_with_release: whether the fault came with the release; None where that is not known.
    """

    cleared: set[Suspect] = field(default_factory=set)
    because: list[str] = field(default_factory=list)
    came_with_release: bool | None = None

    @property
    def left(self) -> list[Suspect]:
        return [who for who in SUSPECTS if who not in self.cleared]

    def clear(self, suspects: list[Suspect], why: str, *, always: bool = False) -> None:
        """Clear suspects; it is told why if one of them was left, or always."""
        if always or any(suspect in self.left for suspect in suspects):
            self.because.append(why)
        self.cleared.update(suspects)


class Comparison(NamedTuple):
    """What one other release says.

    Attributes:
        number: of the other release.
        mine: what the sick release pairs.
        theirs: what the other one does.
        points: its windows.
        sick: whether it is sick too in these.
        concurrent: whether they are of the time in which the release is sick, or later; else they
            are the last before.
    """

    number: int
    mine: Versions
    theirs: Versions
    points: Sequence[Point]
    sick: bool
    concurrent: bool

    @property
    def clears(self) -> list[Suspect]:
        shared: list[Suspect] = []
        other: list[Suspect] = []
        (shared if self.mine.model == self.theirs.model else other).append("model")
        (shared if self.mine.code == self.theirs.code else other).append("code")
        if self.sick:
            return other
        return [*shared, "outside"] if self.concurrent else shared

    def __str__(self) -> str:
        match self.mine.model == self.theirs.model, self.mine.code == self.theirs.code:
            case True, False:
                what = "the same model with other code"
            case False, True:
                what = "the same code with another model"
            case False, False:
                what = "another model and other code"
            case _:
                what = "the same model and code"
        number = count(len(self.points), "window")
        rows = sum(point.rows for point in self.points)
        when = "at the same time or since" if self.concurrent else "before"
        too = "sick too" if self.sick else "healthy"
        return (
            f"Release {self.number}, {what}, is {too}: {mean(self.points):.3g} in {number} "
            f"of {rows} rows {when}."
        )


def suspects(fault: Fault, symptom: Symptom, releases: Mapping[int, ReleaseNotes]) -> Suspects:
    """Whom the comparison of the releases leaves.

    Args:
        fault: what fires.
        symptom: by which sick and healthy windows are told apart.
        releases: by number; their versions and windows.
    """
    found = Suspects()
    own = symptom.series.get(fault.release, ())
    before = [point for point in own if point.start < fault.since]
    if healthy := [point for point, sick in symptom.told(before) if not sick]:
        found.came_with_release = False
        found.clear(
            ["model", "code"],
            f"Release {fault.release} itself was healthy in {count(len(healthy), 'window')} "
            f"before, from {time_text(healthy[0].start)} on, at {mean(healthy):.3g}: the fault "
            "came later than the release, so neither its model nor its code brought it.",
        )
    comparisons = _without_the_cured(list(_comparisons(fault, symptom, releases)))
    for comparison in comparisons:
        found.clear(comparison.clears, str(comparison), always=comparison.concurrent)
    if symptom.kind == "missing":
        found.clear(["model"], "Features are logged before the model sees them: it can't lose any.")
    if found.came_with_release is None and not any(each.sick for each in comparisons):
        if "outside" in found.cleared:
            found.came_with_release = True
        elif (arrival := _arrival(fault, symptom)) is not None:
            found.came_with_release = True
            found.clear(
                ["outside"],
                f"It began with the first window of release {fault.release}, "
                f"{time_text(arrival)}, and not before.",
            )
    return found


def _without_the_cured(comparisons: list[Comparison]) -> list[Comparison]:
    """Without releases that were sick until another one was healthy: that was another fault."""
    healthy = [point.start for each in comparisons if not each.sick for point in each.points]
    cured_at = max(healthy, default=0)
    return [
        each
        for each in comparisons
        if not each.sick or each.concurrent or each.points[-1].start >= cured_at
    ]


def _comparisons(
    fault: Fault, symptom: Symptom, releases: Mapping[int, ReleaseNotes]
) -> Iterator[Comparison]:
    """With every other release: those that serve at the same time first, then the last ones."""
    arrived = _first(fault, symptom)
    others = [n for n in symptom.series if n != fault.release and symptom.series[n]]
    others.sort(key=lambda number: symptom.series[number][-1].end, reverse=True)
    versions = {n: Versions(r.model_version, r.code_version) for n, r in releases.items()}
    for number in others:
        if number not in versions or fault.release not in versions:
            continue
        points = symptom.series[number]
        # In the window in which the sick one arrived, the other one served before it.
        since = [
            (point, sick)
            for point, sick in symptom.told(p for p in points if p.start >= fault.since)
            if sick or point.start != arrived
        ]
        earlier = symptom.told(p for p in points if p.start < min(fault.since, arrived))
        pairs = versions[fault.release], versions[number]
        if since:
            sick = 2 * sum(sick for _, sick in since) > len(since)
            yield Comparison(number, *pairs, _those(since, sick), sick, concurrent=True)
        if earlier:
            _, sick = earlier[-1]
            yield Comparison(
                number, *pairs, _those(earlier, sick)[-RECENT:], sick, concurrent=False
            )
            if sick and (healthy := _those(earlier, not sick)[-RECENT:]):
                # It turned sick as it served, so it was not what it shares with the other.
                yield Comparison(number, *pairs, healthy, sick=False, concurrent=False)


def _those(told: Sequence[tuple[Point, bool]], wanted: bool) -> list[Point]:  # noqa: FBT001
    return [point for point, sick in told if sick == wanted]


def _first(fault: Fault, symptom: Symptom) -> int:
    """Start of the release's first window that is known."""
    own = symptom.series.get(fault.release, ())
    return min((point.start for point in own), default=fault.since)


def _arrival(fault: Fault, symptom: Symptom) -> int | None:
    """When the release arrived, if the fault began with it for sure.

    That is so where all of its own windows are sick, others served shortly before, and their last
    windows and those since are healthy; one that chance leaves open says neither.
    """
    arrived = _first(fault, symptom)
    own = symptom.series.get(fault.release, ())
    others = sorted(p for n, points in symptom.series.items() if n != fault.release for p in points)
    last = [point for point in others if point.start < min(arrived, fault.since)][-1:]
    since = [point for point in others if point.start >= fault.since]
    if not own or not last or arrived - last[0].start > NEAR * (own[0].end - own[0].start):
        return None
    before = [point for point in own if point.start < fault.since]
    if not all(symptom.is_sick(point) for point in before):
        return None
    return arrived if all(symptom.is_sick(p) is False for p in (*last, *since)) else None


def unsettled(found: Suspects, fault: Fault, releases: Mapping[int, ReleaseNotes]) -> str:
    """What would settle whose fault it is."""
    left = found.left
    mine = releases.get(fault.release)
    if not left:
        return (
            "The comparisons contradict each other: every suspect was cleared. "
            "What differs between the processes that serve, beside the release, would tell."
        )
    if left == ["model", "code"] and mine is not None:
        return (
            f"It came with release {fault.release}, and nothing tells its model from its code: a "
            f"release that pairs model {mine.model_version[:12]} with earlier code, or code "
            f"{mine.code_version[:12]} with an earlier model, would."
        )
    return (
        f"Left are {listed(left)}: an earlier release that serves some of the traffic at the same "
        "time would tell."
    )
