"""Shiryaev-Roberts sums: evidence over every possible onset at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.statistics.evidence.cells import Mask

# What is kept of a sum from window to window. Without evidence it stays below 1 / (1 - KEPT).
_KEPT = 0.98
# Share of a new onset that the expert itself bets on; on the other, those without memory do.
_OWN = 0.5
# Beyond this, the logarithm of an e-value makes no difference, and its exponential no infinity.
_FARTHEST = 300.0
# Instead of dividing nothing by nothing.
_LEAST = 1e-300
# Most that the mean of all may be, by one sum alone: so that a long alarm ends when its cause does.
_MOST = 1e6


class Onset(NamedTuple):
    """When a change began, in seconds since 1970."""

    likely: float
    earliest: float
    latest: float


class Sums:
    """One sum for each expert and cell.

    The sum over all onsets k of the product of the e-values since then, by the recursion

        R ← κ R e + (e + f) / 2        where the expert bets
        R ← κ R + f / 2                where it does not

    (Shin, Ramdas and Rinaldo, "E-detectors", 2022, definition 2.4; there κ = 1 and f = e.) An
    expert knows nothing yet of a change that begins with this window, so f is the mean of the
    e-values of those without memory: a large change is seen at once, and the expert follows it from
    there. With e-values that are at most 1 in the mean as long as nothing has changed, R is at most
    t in the mean after t windows, whatever the dependence between sums, and so is every mean of
    sums; so the mean time until one exceeds A is at least A (theorem 2.5). Making a sum smaller
    keeps that: κ < 1, half an onset where nothing is bet, and the limit from above.

    The terms of the sum, as weights of the onsets, have a mean and a variance, which are kept by
    the same recursion. They tell when the change began.

    Attributes:
        values: of the sums.
        mean: of the onsets, in seconds since 1970.
        variance: of the onsets.
    """

    def __init__(self, *shape: int) -> None:
        self.values = np.zeros(shape)
        self._most = _MOST * max(self.values.size, 1)
        self.mean = np.zeros(shape)
        self.variance = np.zeros(shape)

    def add(self, log_e: Floats, log_new: Floats, bets: Mask, cells: Ints, start: float) -> Floats:
        """Take a window in.

        Args:
            log_e: logarithms of the experts' e-values of these cells, `[…, cells]`.
            log_new: of the mean of those without memory, `[cells]`; minus infinity: no bet.
            bets: which of them are a bet.
            cells: which cells these are.
            start: of the window, in seconds since 1970.

        Returns:
            The weight of the onsets before this window among all, `[…, cells]`, as it would be if
            all did bet.
        """
        e = np.exp(np.clip(log_e, -_FARTHEST, _FARTHEST))
        mine = _OWN * e
        others = (1 - _OWN) * np.exp(np.minimum(log_new, _FARTHEST))
        before = _KEPT * self.values[..., cells]
        followed = before * e
        older = followed / (followed + mine + others)
        followed = np.where(bets, followed, before)
        after = followed + others + np.where(bets, mine, 0.0)
        self.values[..., cells] = np.minimum(after, self._most)
        weight = followed / np.maximum(after, _LEAST)
        step = start - self.mean[..., cells]
        self.mean[..., cells] += (1 - weight) * step
        self.variance[..., cells] = weight * (
            self.variance[..., cells] + (1 - weight) * step * step
        )
        return np.asarray(older)

    def onset(self, cells: Mask) -> Onset:
        """When the change began that these cells have evidence of; two standard deviations around.

        Args:
            cells: which cells are looked at, `[cells]`.
        """
        weights, means = self.values[..., cells], self.mean[..., cells]
        weights = weights / weights.sum()
        mean = float(np.sum(weights * means))
        variance = np.sum(weights * (self.variance[..., cells] + (means - mean) ** 2))
        margin = 2 * float(np.sqrt(variance))
        return Onset(mean, mean - margin, mean + margin)
