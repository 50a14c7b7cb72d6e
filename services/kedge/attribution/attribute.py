"""From what fires and what is noted of all releases to whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kedge.attribution.notes import ReleaseNotes
from kedge.attribution.outside import outside
from kedge.attribution.suspects import RECENT, Suspects, suspects, unsettled
from kedge.attribution.symptoms import Fault, Symptom, may_be_chance, noted, watched
from kedge.attribution.verdict import Verdict

_CAUSES_FIRST = ("missing", "values", "errors", "outputs", "performance", "other")


def attribute(fault: Fault, releases: Mapping[int, ReleaseNotes]) -> Verdict:
    """Whose fault it is.

    What is looked at is the cause that lies nearest to the requests: a release that loses an input
    has other outputs too. Among inputs, outputs and outcomes that went wrong together, the inputs
    are compared.

    Args:
        fault: what fires.
        releases: of the model, by number: their versions, and what is noted of their windows.
    """
    main = watched(fault)
    if main is None:
        alike = (
            f"{fault.name} is over the threshold, and not further from its windows before than "
            "these are from each other: more windows would tell."
        )
        return Verdict("unclear", (alike,), came_with_release=None)
    if (chance := may_be_chance(fault, releases)) is not None:
        so_far = (
            f"{fault.name} can be chance: with so few rows for its bins χ² is {chance:.2g} per "
            "degree of freedom, where about 1 is no change. More rows, or longer windows, would "
            "tell."
        )
        return Verdict("unclear", (so_far,), came_with_release=None)
    everything = noted(fault, releases)
    # What is noted of the same column says too what can be chance.
    same = (s for s in everything if s.column == main.column and s.kind == main.kind)
    main = next(same, main)
    beside = [s for s in everything if s is not main and _is_new(s, fault)]
    symptom = _leading(main, beside)
    found = suspects(fault, symptom, releases)
    if symptom is not main and list(found.left) == ["model"]:
        # No model moves an input: that one changed beside the fault and did not cause it.
        symptom, found = main, suspects(fault, main, releases)
    first = f"{symptom.name} is {symptom.level:.3g} in release {fault.release}."
    because = [first, *found.because]
    match found.left:
        case ["model"]:
            return Verdict("model", (*because, _changed("model", fault)), came_with_release=True)
        case ["code"]:
            return Verdict("code", (*because, _changed("code", fault)), came_with_release=True)
        case ["outside"]:
            blame, why = outside(fault, symptom, beside, releases)
            return Verdict(blame, (*because, why), came_with_release=False)
        case _:
            settle = unsettled(found, fault, releases)
            return Verdict("unclear", (*because, settle), came_with_release=_came_with(found))


def _came_with(found: Suspects) -> bool | None:
    """As far as the suspects that are left agree on it."""
    if not found.left:
        return None
    return True if "outside" not in found.left else found.came_with_release


def _changed(suspect: str, fault: Fault) -> str:
    return f"What is left is the {suspect} that release {fault.release} brought."


def _leading(main: Symptom, beside: Sequence[Symptom]) -> Symptom:
    if main.kind in ("missing", "values"):
        return main
    inputs = [s for s in beside if s.kind in ("missing", "values")]
    candidates = [main, *inputs]
    return min(candidates, key=lambda s: (_CAUSES_FIRST.index(s.kind), -s.level))


def _is_new(symptom: Symptom, fault: Fault) -> bool:
    """Whether the windows before the stretch did without it, whichever release served."""
    before = sorted(
        point for points in symptom.series.values() for point in points if point.start < fault.since
    )[-RECENT:]
    return not any(sick for _, sick in symptom.told(before))
