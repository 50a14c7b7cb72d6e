"""Slow trends told apart from sudden changes, over the windows of a release.

Three models of a column's windows are compared: no change, a line, and a single step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.profile import UNIT, ColumnSpec, Profile, Reference, Scale
from kedge.statistics.changes import ERRORS, Change, Changes, changes
from kedge.statistics.statistic import Statistic

FEWEST_WINDOWS = 8
"""Of fewer windows with values nothing is said."""

_DAY = 86_400e6
_SHORT = "{} windows have values, {} are needed"
_WHY = {
    Change.NONE: "no change, as far as {} windows tell",
    Change.LINE: "a line explains the {} windows better",
    Change.STEP: "a step explains the {} windows better",
}


class Past(NamedTuple):
    """A window of a release: when it started, in microseconds, and what is in it."""

    start: int
    profile: Profile


def trend_statistics(windows: Sequence[Past], reference: Reference) -> Iterator[Statistic]:
    """`trend` and `step` of numeric columns, `missing_trend` and `missing_step` of all.

    The value of the model that explains the windows best; that of the other is 0, and so are both
    where no change explains them best: then the note says so. None of fewer than `FEWEST_WINDOWS`.

    Args:
        windows: of one length and one release, on the bins of the reference, by their start.
        reference: of the release.
    """
    windows = [window for window in windows if window.profile.rows]
    if not windows:
        return
    starts = np.array([window.start for window in windows], np.int64)
    days = (starts - starts[0]) / _DAY
    profiles = [window.profile for window in windows]
    yield from _missing(starts, days, profiles, reference)
    yield from _means(starts, days, profiles, reference)


def _missing(
    starts: Ints, days: Floats, profiles: Sequence[Profile], reference: Reference
) -> Iterator[Statistic]:
    rows = np.array([profile.rows for profile in profiles], np.float64)
    lacking = np.array([profile.missing.sum(axis=1) for profile in profiles], np.float64).T
    weights = np.broadcast_to(rows, lacking.shape)
    # The transform of a share whose variance does not depend on it, 1 / (n + 1/2): Anscombe, "The
    # transformation of Poisson, binomial and negative-binomial data", 1948.
    angles = 2 * np.arcsin(np.sqrt((lacking + 3 / 8) / (rows + 3 / 4)))
    found = changes(days, angles, weights + 1 / 2)
    told = _Told(starts, days, lacking / rows, weights, found, _of_share)
    for at, column in enumerate(reference.columns):
        yield told.statistic(at, "missing_trend", column.spec, Change.LINE)
        yield told.statistic(at, "missing_step", column.spec, Change.STEP)


def _means(
    starts: Ints, days: Floats, profiles: Sequence[Profile], reference: Reference
) -> Iterator[Statistic]:
    numeric = [i for i, c in enumerate(reference.columns) if c.spec.type == "numeric"]
    scaled = [i for i in numeric if isinstance(reference.columns[i].scale, Scale)]
    for i in sorted(set(numeric) - set(scaled)):
        spec = reference.columns[i].spec
        why = "the reference has no standard deviation to measure in"
        for name in ("trend", "step"):
            yield Statistic(name, None, 0, spec.role, spec.name, note=why)
    if not scaled:
        return
    rows = np.array([_totals([p.counts[i] for i in scaled]) for p in profiles], np.float64).T
    sums = np.array([_totals([p.sums[i] for i in scaled]) for p in profiles]).T * UNIT
    means = np.divide(sums, rows, out=np.zeros_like(sums), where=rows > 0)
    told = _Told(starts, days, means, rows, changes(days, means, rows), np.ones_like)
    for at, i in enumerate(scaled):
        spec = reference.columns[i].spec
        yield told.statistic(at, "trend", spec, Change.LINE)
        yield told.statistic(at, "step", spec, Change.STEP)


def _totals(parts: Sequence[Ints]) -> Ints:
    """The sum of each; none of them is empty."""
    first = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.asarray(np.add.reduceat(np.concatenate(parts), first))


def _of_share(share: Floats) -> Floats:
    return share * (1 - share)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is published of the changes of some columns.

    Attributes:
        starts: of the windows, microseconds.
        days: the same, in days since the first.
        values: `[columns, windows]`.
        rows: that each value is the mean of, `[columns, windows]`.
        found: what was found in the values.
        variance: of one row around a mean.
    """

    starts: Ints
    days: Floats
    values: Floats
    rows: Floats
    found: Changes
    variance: Callable[[Floats], Floats]

    def statistic(self, at: int, name: str, spec: ColumnSpec, wanted: Change) -> Statistic:
        """What is said of one change of a column."""
        rows, windows = int(self.rows[at].sum()), int(self.found.windows[at])
        best = Change(self.found.best[at])
        if windows < FEWEST_WINDOWS:
            note = _SHORT.format(windows, FEWEST_WINDOWS)
            return Statistic(name, None, rows, spec.role, spec.name, note=note)
        if best != wanted:
            note = _WHY[best].format(windows)
            return Statistic(name, 0.0, rows, spec.role, spec.name, note=note)
        value, variance, note = self._line(at) if wanted == Change.LINE else self._step(at)
        margin = ERRORS * float(np.sqrt(variance))
        low, high = value - margin, value + margin
        return Statistic(name, value, rows, spec.role, spec.name, note=note, low=low, high=high)

    def _line(self, at: int) -> tuple[float, Floats, str]:
        """The slope, its variance, and what to know of it."""
        rows, values = self.rows[at], self.values[at]
        mean = np.average(values, weights=rows)
        away = self.days - np.average(self.days, weights=rows)
        squares = np.sum(rows * away**2)
        slope = float(np.sum(rows * away * (values - mean)) / squares)
        variance = self.found.dispersion[Change.LINE, at] * self.variance(mean) / squares
        span = slope * (self.days[-1] - self.days[0])
        return slope, variance, f"{span:+.3g} over {self.found.windows[at]} windows"

    def _step(self, at: int) -> tuple[float, Floats, str]:
        """The size of the step, its variance, and when it was."""
        rows, values, place = self.rows[at], self.values[at], self.found.place[at]
        sides = (slice(None, place), slice(place, None))
        before, after = (np.average(values[s], weights=rows[s]) for s in sides)
        variance = self.found.dispersion[Change.STEP, at] * sum(
            self.variance(mean) / rows[s].sum()
            for mean, s in zip((before, after), sides, strict=True)
        )
        when = np.datetime_as_string(np.datetime64(int(self.starts[place]), "us"), "s")
        note = f"since {when}Z, among {self.found.windows[at]} windows"
        return float(after - before), variance, note
