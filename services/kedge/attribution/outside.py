"""What comes from outside the release: an upstream feed that broke, or a world that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from kedge.attribution.notes import Column, ReleaseNotes
from kedge.attribution.symptoms import Fault, Symptom, is_sudden, mean, served
from kedge.attribution.verdict import Blame
from kedge.attribution.wording import count, listed

BROAD = 1 / 3
"""Share of the features of which a change is the world's rather than a feed's."""

FEED = 2
"""Features that go missing together are one feed."""

_NAMED = 8


def outside(
    fault: Fault, symptom: Symptom, others: Sequence[Symptom], releases: Mapping[int, ReleaseNotes]
) -> tuple[Blame, str]:
    """Upstream or world, and why; unclear where it is of neither kind.

    Args:
        fault: what fires.
        symptom: by which sick windows were told.
        others: what else is new in the release's windows.
        releases: by number.
    """
    if symptom.kind == "missing":
        lacking = [symptom, *(s for s in others if s.kind == "missing")]
        return "upstream", _missing(lacking, fault, releases)
    if symptom.kind == "values":
        moved = [symptom, *(s for s in others if s.kind == "values")]
        return _moved(moved, fault, releases)
    match symptom.kind:
        case "performance":
            return "world", (
                f"{symptom.name} is {symptom.level:.3g} while no input has changed with it: what "
                "the inputs mean has changed. Train on newer data."
            )
        case "outputs":
            return "world", (
                f"{symptom.name} is {symptom.level:.3g} and no single input has changed with it: "
                "the mixture of the requests has."
            )
        case "errors":
            return "upstream", (
                f"{symptom.level:.3g} of the inferences fail under a release that did not fail "
                "before: something that they call does."
            )
        case _:
            return "unclear", (
                f"{symptom.name} came from outside of the release, and is of no feature, output or "
                "outcome: what calls the model, or where it runs, would tell."
            )


def _missing(lacking: Sequence[Symptom], fault: Fault, releases: Mapping[int, ReleaseNotes]) -> str:
    columns = _columns(lacking)
    kinds: dict[str, float] = {}
    notes = releases.get(fault.release)
    for window in [notes.windows[max(notes.windows)]] if notes and notes.windows else []:
        for column in columns:
            for kind, share in window.columns[column].missing.items():
                kinds[kind] = max(kinds.get(kind, 0.0), share)
    most = f", most as {max(kinds, key=lambda kind: kinds[kind])}" if kinds else ""
    if len(columns) < FEED:
        return f"{lacking[0].name} is {lacking[0].level:.3g}{most}: no release brings it back."
    return (
        f"{_named(columns)} go missing together{most}: one feed, most likely. "
        "No release brings them back."
    )


def _named(columns: Sequence[Column]) -> str:
    names = [column.name for column in columns]
    rest = len(names) - _NAMED
    return listed(names if rest <= 0 else [*names[:_NAMED], f"{rest} more"])


def _moved(
    moved: list[Symptom], fault: Fault, releases: Mapping[int, ReleaseNotes]
) -> tuple[Blame, str]:
    notes = releases.get(fault.release)
    features = {c for w in notes.windows.values() for c in w.columns} if notes else set()
    of = max(sum(column.role == "feature" for column in features), 1)
    columns = _columns(moved)
    names = _named(columns) if columns else moved[0].name
    sudden = [
        s
        for s in moved
        if is_sudden(
            [p for p in served(s.series) if p.start < fault.until],
            mean(fault.stretch(s.series[fault.release])[-1:] or s.series[fault.release][-1:]),
        )
    ]
    if len(sudden) == len(moved) and (len(columns) < FEED or len(columns) <= BROAD * of):
        return "upstream", (
            f"{names} jumped from one window to the next and {of - len(columns)} of "
            f"{count(of, 'feature')} stayed: a unit, a range or a source changed upstream."
        )
    how = "at once" if len(sudden) == len(moved) else "bit by bit"
    return "world", (
        f"{names} changed {how}, {len(columns)} of {count(of, 'feature')}, under whatever release "
        "served: the world changes. Train on newer data."
    )


def _columns(symptoms: Iterable[Symptom]) -> list[Column]:
    return list(dict.fromkeys(s.column for s in symptoms if s.column is not None))
