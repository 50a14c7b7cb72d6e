"""Features that go missing together: they come from one upstream feed."""

from __future__ import annotations

from collections.abc import Sequence

from kedge.profile import Profile, Reference, Together
from kedge.profile.together import Pattern
from kedge.statistics.statistic import Statistic

HALF = 0.5
"""Features belong together when at least this share of the rows that lack one of them lack all."""

NAMED = 3
"""Groups that the note names."""


def missing_together(profile: Profile, reference: Reference) -> Statistic:
    """The share of rows in which a group of features is missing together, less the reference's.

    A group is a set of two features or more that is all that some rows lack, in the window more
    often than in the reference, and of which at least half the rows that lack one lack all. Of
    groups that overlap, the one that most of these rows lack counts. The value is the largest
    group's; the note names it, and the next ones.

    It is published of every window, as one number about it: 0 without any group.
    """
    rows, before = profile.rows, reference.rows
    if not (rows and before):
        return Statistic(
            "missing_together", None, rows, note="no rows in the window or in the reference"
        )
    now, then = profile.together, reference.together
    groups = sorted(
        ((_excess(group, profile, reference), group) for group in _groups(profile, reference)),
        reverse=True,
    )
    groups = [(excess, group) for excess, group in groups if excess > 0]
    if not groups:
        return Statistic("missing_together", 0.0, rows)
    value, largest = groups[0]
    low = high = None
    if now.other or then.other:
        low = value - min(then.other, before - then.rows_missing_all(largest)) / before
        high = value + now.other / rows
    shares = {group: now.rows_missing_all(group) / rows for _, group in groups[:NAMED]}
    note = "; ".join(
        f"{_names(group, reference)} in {share * 100:.3g} % of the rows"
        for group, share in shares.items()
    )
    return Statistic("missing_together", value, rows, low=low, high=high, note=note)


def _groups(profile: Profile, reference: Reference) -> Sequence[Pattern]:
    """Sets of features without a common member, found in the order of what they alone explain."""
    now, then = profile.together, reference.together
    extra = {
        pattern: count / profile.rows - then.patterns.get(pattern, 0) / reference.rows
        for pattern, count in now.patterns.items()
        if len(pattern) > 1
    }
    groups: list[Pattern] = []
    taken: set[int] = set()
    for pattern in sorted(extra, key=lambda pattern: (-extra[pattern], pattern)):
        if extra[pattern] > 0 and taken.isdisjoint(pattern) and _belongs_together(pattern, now):
            groups.append(pattern)
            taken.update(pattern)
    return groups


def _belongs_together(group: Pattern, together: Together) -> bool:
    # What is not kept may be rows that lack one of them only.
    lacking = together.rows_missing_any(group) + together.other
    return together.rows_missing_all(group) >= HALF * lacking


def _excess(group: Pattern, profile: Profile, reference: Reference) -> float:
    now = profile.together.rows_missing_all(group) / profile.rows
    return now - reference.together.rows_missing_all(group) / reference.rows


def _names(group: Pattern, reference: Reference) -> str:
    *names, last = (reference.columns[position].spec.name for position in group)
    return f"{', '.join(names)} and {last}"
