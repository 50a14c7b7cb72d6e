"""What is wrong with a release, as series over its windows and those of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, pstdev
from typing import Literal, NamedTuple

from kedge.attribution.notes import Column, ColumnNote, ReleaseNotes, WindowNote
from kedge.statistics import CATALOGUE

Kind = Literal["missing", "values", "outputs", "errors", "performance", "other"]

MATTERS = {"missing": 0.05, "values": 0.1, "outputs": 0.1}
"""A share of rows, and PSI's convention for a moderate change."""

FEW_ROWS = 30
"""Of fewer rows a note says nothing."""

ERRORS = 3.0
"""Standard errors that a share may be off by chance."""

# Of these, 0 is what a window without a fault has. What others have then, their windows tell.
_ZERO = frozenset(
    {
        *("missing_increase", "missing_together", "error_rate", "psi", "js_distance", "hellinger"),
        *("l_infinity", "chi_squared", "ks", "wasserstein", "mean_shift", "mmd"),
        *("dimension_shift", "reconstruction_error", "concept_drift"),
    }
)
MAY_BE_CHANCE = 2.0
"""χ² per degree of freedom below which a drift is told to be chance, whatever its size."""

_TYPICAL_OF = 6
_APART = 3.0


class Point(NamedTuple):
    """One statistic in one window.

    Attributes:
        start: of the window, microseconds since 1970 UTC.
        end: of the window.
        value: of the statistic.
        rows: that it is computed from.
        low: the least that it is, beside chance; None where that is the value.
        high: the most.
    """

    start: int
    end: int
    value: float
    rows: int
    low: float | None = None
    high: float | None = None


Series = Mapping[int, Sequence[Point]]
"""By release, oldest window first."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """One statistic that tells sick windows from healthy ones.

    Attributes:
        kind: what it is about.
        name: in words.
        series: by release.
        level: in the sick stretch of the release.
        boundary: halfway from what is usual to that level. A window beyond it has at least half of
            what is wrong, and counts as sick.
        column: that it is about.
    """

    kind: Kind
    name: str
    series: Series
    level: float
    boundary: float
    column: Column | None = None

    def is_sick(self, point: Point) -> bool | None:
        """Whether the window is beyond the boundary; None where chance leaves that open."""
        low = point.value if point.low is None else point.low
        high = point.value if point.high is None else point.high
        if self.level < self.boundary:
            low, high = high, low
            sick, healthy = low <= self.boundary, high > self.boundary
        else:
            sick, healthy = low >= self.boundary, high < self.boundary
        return True if sick else False if healthy else None

    def told(self, points: Iterable[Point]) -> list[tuple[Point, bool]]:
        """The windows that are sick or healthy for sure, and which of these they are."""
        states = [(point, self.is_sick(point)) for point in points]
        return [(point, sick) for point, sick in states if sick is not None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What fires.

    Attributes:
        release: of which release.
        statistic: which statistic.
        column: of which column.
        name: of the statistic and the column, in words.
        series: of that statistic, those windows alone that say something.
        is_over: whether a value is on the wrong side of the rule's threshold.
        threshold: of the rule.
        since: start of the stretch of windows over it, microseconds since 1970 UTC.
        until: end of its newest window.
    """

    release: int
    statistic: str
    column: Column | None
    name: str
    series: Series
    is_over: Callable[[float], bool]
    threshold: float
    since: int
    until: int

    def stretch(self, points: Iterable[Point]) -> list[Point]:
        """Those within the sick stretch."""
        return [point for point in points if self.since <= point.start < self.until]

    @property
    def kind(self) -> Kind:
        entry = CATALOGUE[self.statistic]
        if entry.part == "performance":
            return "other" if self.statistic == "label_coverage" else "performance"
        if self.statistic == "error_rate":
            return "errors"
        if self.column is not None and self.column.role == "output":
            return "outputs"
        if self.statistic.startswith("missing_"):
            return "missing"
        if self.column is not None or self.statistic == "reconstruction_error":
            return "values"
        return "other"


def mean(points: Sequence[Point]) -> float:
    """Of the values, by rows."""
    rows = sum(point.rows for point in points)
    if not rows:
        return sum(point.value for point in points) / len(points)
    return sum(point.value * point.rows for point in points) / rows


def watched(fault: Fault) -> Symptom | None:
    """The statistic that the rule is about; None where its windows are too much alike to tell."""
    own = fault.stretch(fault.series.get(fault.release, ()))
    if not own:
        return None
    level = mean(own)
    usual: float | None = 0.0
    if fault.statistic not in _ZERO:
        before = sorted(
            point
            for points in fault.series.values()
            for point in points
            if point.start < fault.since and not fault.is_over(point.value)
        )[-_TYPICAL_OF:]
        usual = median(point.value for point in before) if before else None
        if usual is not None and len(before) > 2:  # noqa: PLR2004 - of fewer there is no deviation
            spread = pstdev([point.value for point in before])
            if abs(level - usual) < _APART * spread * (1 / len(own) + 1 / len(before)) ** 0.5:
                return None
    boundary = fault.threshold if usual is None else (level + usual) / 2
    return Symptom(fault.kind, fault.name, fault.series, level, boundary, fault.column)


def may_be_chance(fault: Fault, releases: Mapping[int, ReleaseNotes]) -> float | None:
    """The largest χ² per degree of freedom of the sick windows, where all of it can be chance."""
    mine = releases.get(fault.release)
    if mine is None or fault.column is None or fault.kind not in ("values", "outputs"):
        return None
    chances = [
        note.chance
        for start, window in mine.windows.items()
        if fault.since <= start < fault.until
        and (note := window.columns.get(fault.column)) is not None
        and note.chance is not None
    ]
    worst = max(chances, default=MAY_BE_CHANCE)
    return worst if worst < MAY_BE_CHANCE else None


def noted(fault: Fault, releases: Mapping[int, ReleaseNotes]) -> list[Symptom]:
    """What else is wrong with the release in the stretch, by what is noted of all columns."""
    mine = releases.get(fault.release)
    columns = {} if mine is None else {c: None for w in mine.windows.values() for c in w.columns}
    found = []
    for column in columns:
        for kind in ("missing", "values") if column.role == "feature" else ("outputs",):
            series = _series(releases, column, kind)
            own = fault.stretch(series.get(fault.release, ()))
            if own and (level := mean(own)) >= MATTERS[kind] and _beyond_chance(own, kind):
                what = "missing_increase" if kind == "missing" else "psi"
                name = f"{what} of {column.role} {column.name}"
                found.append(Symptom(kind, name, series, level, level / 2, column))
    return found


def _beyond_chance(points: Sequence[Point], kind: str) -> bool:
    """Whether what is left without chance matters; of missing rows, whether anything is left."""
    least = mean([point._replace(value=point.low or 0.0) for point in points])
    return least > 0 if kind == "missing" else least >= MATTERS[kind]


def _series(
    releases: Mapping[int, ReleaseNotes], column: Column, kind: str
) -> dict[int, list[Point]]:
    found: dict[int, list[Point]] = {}
    for number, release in releases.items():
        for start in sorted(release.windows):
            window = release.windows[start]
            if (note := window.columns.get(column)) is None:
                continue
            point = (
                _missing(start, window, note) if kind == "missing" else _drift(start, window, note)
            )
            if point is not None and point.rows >= FEW_ROWS:
                found.setdefault(number, []).append(point)
    return found


def _missing(start: int, window: WindowNote, note: ColumnNote) -> Point | None:
    if note.increase is None:
        return None
    share = sum(note.missing.values())
    rows = max(window.rows, 1)
    chance = ERRORS * (max(share * (1 - share), 1 / rows) / rows) ** 0.5
    low, high = note.increase - chance, note.increase + chance
    return Point(start, window.end, note.increase, window.rows, low, high)


def _drift(start: int, window: WindowNote, note: ColumnNote) -> Point | None:
    """What chance brings is above 0, never below: the drift is at most what it seems."""
    if note.drift is None or note.excess is None:
        return None
    return Point(start, window.end, note.drift, note.rows, note.excess, note.drift)


def is_sudden(points: Sequence[Point], level: float) -> bool:
    """Whether the windows rose to the level at once, with no more than one of them on the way.

    That one is the window in which it happened. A slow change takes more.

    Args:
        points: of all that served, oldest first, up to the sick ones.
        level: of these.
    """
    values = [point.value if point.low is None else point.low for point in points]
    low = [position for position, value in enumerate(values) if value < _START * level]
    high = [position for position, value in enumerate(values) if value > _DONE * level]
    if not low or not high:
        return not low and bool(high) and len(points) == len(high)
    done = next((position for position in high if position > low[-1]), None)
    return done is not None and done - low[-1] <= 2  # noqa: PLR2004 - one on the way


_START, _DONE = 0.08, 0.7
"""Of the level: below the first nothing has happened yet, above the second nearly all has."""


def served(series: Series) -> list[Point]:
    """One point a window, of the release with the most rows in it, oldest first."""
    by_window: dict[int, Point] = {}
    for points in series.values():
        for point in points:
            known = by_window.get(point.start)
            if known is None or known.rows < point.rows:
                by_window[point.start] = point
    return [by_window[start] for start in sorted(by_window)]
