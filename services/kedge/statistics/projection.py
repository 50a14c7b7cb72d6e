"""Whether the numeric features still fit together as in the reference."""

from __future__ import annotations

from kedge.profile import UNIT, Profile, Reference
from kedge.statistics.statistic import Statistic


def reconstruction_error(profile: Profile, reference: Reference) -> Statistic:
    """How far the mean error is from the reference's, in standard deviations of a row's error."""
    name, rows, projection = "reconstruction_error", profile.rows, reference.projection
    if not rows:
        return Statistic(name, None, rows, note="no rows in the window")
    if projection is None:
        note = "the reference has fewer than two numeric features that vary"
        return Statistic(name, None, rows, note=note)
    mean = profile.lost * UNIT / rows
    return Statistic(name, (mean - projection.mean) / projection.spread, rows)
