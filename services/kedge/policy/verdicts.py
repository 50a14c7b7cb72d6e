"""Whose fault an incident is, from what the rules and the notes remember."""

from __future__ import annotations

from collections.abc import Mapping

from kedge.attribution import Fault, Notes, Point, ReleaseNotes, Verdict, attribute
from kedge.attribution.notes import Column
from kedge.policy.incidents import Incident
from kedge.policy.readings import ReleaseReadings, telling
from kedge.policy.rules import Rule


def verdict_on(
    incident: Incident,
    rule: Rule,
    windows: Mapping[int, ReleaseReadings],
    notes: Notes,
) -> Verdict:
    """Whose fault an incident is.

    Args:
        incident: what fires.
        rule: by which rule.
        windows: that the rule looks at, by release.
        notes: of all columns.
    """
    subject = incident.subject
    column = None
    if subject.role is not None and subject.column is not None:
        column = Column(subject.role, subject.column)
    series = {
        number: [Point(r.window.start, r.window.end, r.value, r.rows) for r in told]
        for number, of_release in sorted(windows.items())
        if (told := telling(rule, of_release.of(subject)))
    }
    fault = Fault(
        incident.release,
        subject.statistic,
        column,
        str(subject),
        series,
        lambda value: rule.is_over(value, value),
        rule.threshold,
        incident.starts_at,
        incident.last.end,
    )
    # One without a note of its own still pairs a model and code.
    pairs = {n: ReleaseNotes(each.model_version, each.code_version) for n, each in windows.items()}
    return attribute(fault, pairs | dict(notes))
