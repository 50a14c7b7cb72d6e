"""A stream of 50 features, made so that its counts can be drawn without its rows.

35 features are numbers, each a normal variable with a location and scale of its own, and 15 are
categories. In every window each feature has a *shift*, in standard deviations; what the shifts are
makes the stream plain, overdispersed or seasonal. None of these is drift: the past has them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from benchmarks.decisions.windows import Category, Past, Rows, Values, Window, past_of
from kedge.profile import Missing, Profile

NUMBERS, CATEGORIES = 35, 15
FEATURES = NUMBERS + CATEGORIES
FEATURE_NAMES = (*(f"n{i}" for i in range(NUMBERS)), *(f"c{i}" for i in range(CATEGORIES)))
# Every fifth number is null for this share of rows.
NULL_SHARE = 0.02


@dataclass(frozen=True)
class Mixture:
    """The stream.

    Attributes:
        name: of the stream in tables.
        rows: rows a window.
        past_windows: how many windows, each an hour, the past has.
        correlation: between any two features; with it, counts are made from rows.
        spread: standard deviation of the shift that each window gives each feature at random.
        daily: amplitude of a shift that comes back after a day.
        weekly: likewise, after a week.
    """

    name: str
    rows: int = 200
    past_windows: int = 336
    correlation: float = 0.0
    spread: float = 0.0
    daily: float = 0.0
    weekly: float = 0.0

    def past(self, rng: np.random.Generator) -> Past:
        indices = range(-self.past_windows, 0)
        season = 168 if self.weekly else 24 if self.daily else None
        return past_of([self.drawn(index, self.rows, rng) for index in indices], season)

    def shifts(self, index: int, rng: np.random.Generator) -> np.ndarray:
        """Of each feature in window `index`, in standard deviations."""
        phases = np.arange(FEATURES) / FEATURES
        day, week = (np.sin(2 * np.pi * (index / hours + phases)) for hours in (24, 168))
        return self.daily * day + self.weekly * week + self.spread * rng.standard_normal(FEATURES)

    @property
    def independent(self) -> bool:
        """Whether a feature's counts can be drawn without the others'."""
        return not self.correlation

    def drawn(
        self,
        index: int,
        rows: int,
        rng: np.random.Generator,
        only: Sequence[str] = FEATURE_NAMES,
    ) -> Rows:
        """The rows of window `index`, with `only` these features."""
        common = rng.standard_normal(rows) if self.correlation else 0.0
        shifts = self.shifts(index, rng)
        features: dict[str, Values] = {}
        for name in only:
            at = FEATURE_NAMES.index(name)
            own = rng.standard_normal(rows)
            z = np.sqrt(self.correlation) * common + np.sqrt(1 - self.correlation) * own
            if at < NUMBERS:
                features[name] = values = _LOCATIONS[at] + _SCALES[at] * (z + shifts[at])
                if at % 5 == 0:
                    values[rng.random(rows) < NULL_SHARE] = np.nan
            else:
                edges = np.cumsum(_shares(at - NUMBERS, shifts[at]))[:-1]
                codes = np.searchsorted(edges, ndtr(z)).astype(np.int64)
                features[name] = Category(codes, _LABELS[at - NUMBERS])
        return Rows(features)

    def counts(self, index: int, rows: int, past: Past, rng: np.random.Generator) -> Window:
        """Window `index` without rows, as `drawn` would be counted if features are independent."""
        shifts = self.shifts(index, rng)
        shares = np.zeros((FEATURES, 1 + max(len(c.bins) for c in past.reference.columns)))
        for i, column in enumerate(past.reference.columns):
            if i < NUMBERS:
                null = NULL_SHARE if i % 5 == 0 else 0.0
                edges = (column.bins.edges - _LOCATIONS[i]) / _SCALES[i] - shifts[i]
                below = np.concatenate([[0.0], ndtr(edges), [1.0]])
                shares[i, 0] = null
                shares[i, 1 : len(column.bins) + 1] = (1 - null) * np.diff(below)
            else:
                own = dict(
                    zip(_LABELS[i - NUMBERS], _shares(i - NUMBERS, shifts[i]).tolist(), strict=True)
                )
                seen = [own.pop(category) for category in column.bins.categories]
                shares[i, 0] = sum(own.values())
                shares[i, 1 : len(seen) + 1] = seen
        drawn = rng.multinomial(rows, shares / shares.sum(axis=1, keepdims=True))
        missing = np.zeros((FEATURES, len(Missing)), np.int64)
        missing[:NUMBERS, Missing.NULL] = drawn[:NUMBERS, 0]
        missing[NUMBERS:, Missing.UNSEEN] = drawn[NUMBERS:, 0]
        columns = zip(drawn, past.reference.columns, strict=True)
        own_counts = tuple(row[1 : len(column.bins) + 1] for row, column in columns)
        # Sums of values are of no interest to any method here.
        sums = (np.zeros(0, np.int64),) * FEATURES
        return Window(index, Profile(rows, 0, own_counts, missing, sums))


def _shares(category: int, shift: float) -> np.ndarray:
    """Of each label: Zipf's, the normal quantiles of their borders moved by the shift."""
    count = len(_LABELS[category])
    shares = 1 / np.arange(1, count + 1)
    borders = ndtri(np.cumsum(shares / shares.sum())[:-1]) - shift
    return np.diff(np.concatenate([[0.0], ndtr(borders), [1.0]]))


_LOCATIONS = np.linspace(-50, 120, NUMBERS)
_SCALES = np.geomspace(0.01, 1000, NUMBERS)
_LABELS = [tuple(f"label{j}" for j in range(2 + i % 8)) for i in range(CATEGORIES)]
