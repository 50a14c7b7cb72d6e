"""Rules that look at one window at a time: a distance or a p-value against a fixed threshold.

Each has one verb, `observe(window)`, whose score is higher the more alarming the window is; there
is an alarm when the score reaches `threshold`. All read binned counts, so that long runs can be
drawn as counts. In PSI and the distances a missing value is one more bin: a sterner opponent than
most implementations, which leave missing values out.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from scipy.special import chdtrc, kolmogorov

from benchmarks.decisions.matrix import Cells, shares
from benchmarks.decisions.windows import Past, Window
from kedge.statistics.distances import FLOOR

# A p-value of less is shown as this.
SMALLEST_P = 1e-300


class AlwaysFire:
    """What any score of delay alone would favour."""

    threshold: ClassVar = 1.0
    stateful: ClassVar = False

    def __init__(self, past: Past) -> None:
        del past

    def observe(self, window: Window) -> float:
        del window
        return 1.0


class Psi:
    """The worst feature's PSI; 0.2 is the threshold that most tools and blogs name."""

    threshold: ClassVar = 0.2
    stateful: ClassVar = False

    def __init__(self, past: Past) -> None:
        self._cells = Cells(past.reference)
        self._p = np.maximum(shares(self._cells.reference), FLOOR)

    def observe(self, window: Window) -> float:
        q = np.maximum(shares(self._cells.of(window.profile)), FLOOR)
        terms = (q - self._p) * np.log(q / self._p)
        return float(terms.sum(axis=1).max())


class SmallestP:
    """-log10 of the smallest p-value: two-sample KS for numbers, chi-squared for categories.

    KS from the cumulative counts at the bins' edges, with the asymptotic distribution: on bins it
    is conservative (Conover, "Practical Nonparametric Statistics", 6.1).
    """

    threshold: ClassVar = float(-np.log10(0.05))
    stateful: ClassVar = False

    def __init__(self, past: Past) -> None:
        self._cells = Cells(past.reference)

    def observe(self, window: Window) -> float:
        p = p_values(self._cells, self._cells.of(window.profile))
        return float(-np.log10(max(p.min(), SMALLEST_P)))


def p_values(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Of each column; rows without a value are left out. 1 where a side has no value."""
    mine, known = counts[:, 1:], cells.reference[:, 1:]
    n, m = mine.sum(axis=1), known.sum(axis=1)
    distance = ks_distances(cells, counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = n * m / (n + m)
        p = kolmogorov(np.sqrt(effective) * distance)
        for i in np.flatnonzero(~cells.numeric):
            there = mine[i] + known[i] > 0
            both = np.array([mine[i, there], known[i, there]])
            expected = both.sum(axis=1, keepdims=True) * both.sum(axis=0) / both.sum()
            p[i] = chdtrc(max(int(there.sum()) - 1, 1), ((both - expected) ** 2 / expected).sum())
    return np.where((n > 0) & (m > 0), p, 1.0)


def ks_distances(cells: Cells, counts: np.ndarray) -> np.ndarray:
    gaps = np.cumsum(shares(counts[:, 1:]), axis=1) - np.cumsum(
        shares(cells.reference[:, 1:]), axis=1
    )
    return np.abs(gaps).max(axis=1)


def js_distances(cells: Cells, counts: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance with base 2 of each column."""
    p, q = shares(counts), shares(cells.reference)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0) + np.where(
            q > 0, q * np.log2(q / middle), 0
        )
    return np.sqrt(np.maximum(terms.sum(axis=1) / 2, 0))


class _EvidentlyColumns:
    """Each column's drift as Evidently's default chooses it.

    By its documentation ("Data drift algorithm"): with more than 1,000 rows of reference, the
    Wasserstein distance in reference standard deviations for numbers of more than 5 distinct
    values, Jensen-Shannon for the rest, drift at 0.1; with fewer rows, KS, chi-squared and the
    z-test of proportions, drift at p < 0.05. Wasserstein here is that of the bins, each at the
    mean of the past's values in it.
    """

    def __init__(self, past: Past) -> None:
        self._cells = Cells(past.reference)
        self._tests = past.reference.rows <= 1000
        self._gaps = np.zeros((len(self._cells.used), self._cells.used.shape[1] - 2))
        self._is_wasserstein = np.zeros(len(self._gaps), bool)
        for i, column in enumerate(past.reference.columns):
            if column.spec.type != "numeric":
                continue
            name = column.spec.name
            values = np.concatenate([window.rows.features[name] for window in past.windows])
            values = values[~np.isnan(values)]
            bins = np.searchsorted(column.bins.edges, values, side="right")
            totals = np.bincount(bins, minlength=len(column.bins))
            centres = np.bincount(bins, values, len(column.bins)) / np.maximum(totals, 1)
            # A bin that is empty in the past lies at its edge.
            ends = np.clip(np.arange(len(column.bins)), 0, len(column.bins.edges) - 1)
            centres = np.where(totals > 0, centres, column.bins.edges[ends])
            spread = values.std()
            self._is_wasserstein[i] = spread > 0 and len(np.unique(values)) > 5
            if spread > 0:
                self._gaps[i, : len(centres) - 1] = np.diff(centres) / spread

    def drifts(self, window: Window) -> np.ndarray:
        """Of each column: drift at 1 and above."""
        counts = self._cells.of(window.profile)
        if self._tests:
            p = np.maximum(p_values(self._cells, counts), SMALLEST_P)
            return np.log10(p) / np.log10(0.05)
        gaps = np.cumsum(shares(counts[:, 1:]), axis=1) - np.cumsum(
            shares(self._cells.reference[:, 1:]), axis=1
        )
        wasserstein = (np.abs(gaps[:, :-1]) * self._gaps).sum(axis=1)
        # Evidently's Jensen-Shannon distance has the natural logarithm.
        js = js_distances(self._cells, counts) * np.sqrt(np.log(2))
        return np.where(self._is_wasserstein, wasserstein, js) / 0.1


class EvidentlyPreset(_EvidentlyColumns):
    """Evidently's verdict on the data set: half of the columns drift."""

    threshold: ClassVar = 0.5
    stateful: ClassVar = False

    def observe(self, window: Window) -> float:
        return float((self.drifts(window) >= 1).mean())


class EvidentlyColumn(_EvidentlyColumns):
    """Evidently's verdict on columns: any column drifts."""

    threshold: ClassVar = 1.0
    stateful: ClassVar = False

    def observe(self, window: Window) -> float:
        return float(self.drifts(window).max())


class NannymlSigmas:
    """How many standard deviations the worst feature is above its mean over the past's windows.

    NannyML's StandardDeviationThreshold: 3. Its distances here are KS for numbers, whose default
    threshold this is, Jensen-Shannon for categories, whose default is a constant 0.1, and the share
    of missing values, whose default it is again.
    """

    threshold: ClassVar = 3.0
    stateful: ClassVar = False

    def __init__(self, past: Past) -> None:
        self._cells = Cells(past.reference)
        known = np.array([self._distances(window) for window in past.windows])
        self._mean, self._spread = known.mean(axis=0), known.std(axis=0)

    def _distances(self, window: Window) -> np.ndarray:
        counts = self._cells.of(window.profile)
        js = js_distances(self._cells, counts)
        distances = np.where(self._cells.numeric, ks_distances(self._cells, counts), js)
        return np.concatenate([distances, shares(counts)[:, 0]])

    def observe(self, window: Window) -> float:
        above = self._distances(window) - self._mean
        # What never varied in the past and does now is beyond any number of deviations.
        sigmas = np.where(
            self._spread > 0,
            above / np.where(self._spread > 0, self._spread, 1),
            np.where(above > 1e-9, 1e6, 0),
        )
        return float(sigmas.max())
