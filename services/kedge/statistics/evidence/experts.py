"""Who bets against the null: experts, each with a guess of windows after a change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats
from kedge.statistics.evidence.cells import Cells, Mask
from kedge.statistics.evidence.likelihood import WindowCounts, log_mean
from kedge.statistics.evidence.waves import SIZES, Tilted, Waves

MEMORIES = np.array([0.85, np.nan])
"""What an expert keeps of its memory from window to window; NaN: as much as its evidence says."""

WEIGHTS = np.array([20.0, 100.0])
"""In rows, how much an expert holds to the null's centre beside what it remembers."""

SMOOTH = np.array([False, True])
"""Of each weight, whether its experts expect bins side by side to change alike."""

# Share of a guess that lies on all bins alike: what was never seen can come.
_SURPRISE = 0.02

FIXED = 4
"""How many experts have no memory."""

EXPERTS = MEMORIES.size * WEIGHTS.size + FIXED
"""How many there are: for each memory those of each weight, then those without."""

GAINS = np.array([0.05, 0.2])
"""Shares of all rows that one bin may have more."""

# Of the expert that expects anything, how many rows its guess is worth, and which share of it lies
# on all bins alike.
_ROWS = 4.0
_ALIKE = 0.25
# What those without memory expect, at least: the PSI of a tilt is its square, or nearly.
_LEAST_PSI = np.mean(SIZES**2)


class Guesses(NamedTuple):
    """What the experts expect of the next window.

    Attributes:
        centres: `[guesses, cells, bins]`: of the experts with memory, and of the one that expects
            anything.
        uncertainty: `[guesses, cells]`, one by the rows that the centre is known from.
    """

    centres: Floats
    uncertainty: Floats

    def differ(self, centre: Floats, known: Floats, floor: float) -> Mask:
        """Who expects something else than the null does, `[experts, cells]`.

        An expert does who expects a PSI from the null's centre that is by `floor` more than what
        the null does: the distance of the centres (twice the triangular discrimination, which a
        small PSI is), and (bins - 1)/c for how uncertain it is of its own.
        """
        remembering = self.centres[:-1]
        together = remembering + centre
        psi = 2 * np.sum((remembering - centre) ** 2 / np.where(together > 0, together, 1), axis=-1)
        sizes = np.count_nonzero(centre, axis=-1)
        differ = np.full((EXPERTS, len(centre)), floor <= _LEAST_PSI)
        differ[:-FIXED] = psi + (sizes - 1) * (self.uncertainty[:-1] - known) >= floor
        return differ

    def log_likelihood(
        self, window: WindowCounts, natural: Floats, gain: Floats, tilts: Tilted
    ) -> Floats:
        """How likely a window is for each expert, `[experts, cells of the window]`.

        Args:
            window: its counts.
            natural: variation from window to window, one by rows, `[cells]`.
            gain: how likely it is if one bin has more.
            tilts: how likely it is with each tilt.
        """
        concentration = 1 / (self.uncertainty + natural)[:, window.cells]
        guessed = window.log_likelihood(concentration, self.centres)
        by_moves = np.repeat(gain[None], 3, axis=0)
        half = len(SIZES)
        by_moves[1, tilts.at] = log_mean(tilts.logs[:half], np.array(1 / half))
        by_moves[2, tilts.at] = log_mean(tilts.logs[half:], np.array(1 / half))
        return np.concatenate([guessed, by_moves])


class Experts:
    """Guesses: one for each memory and weight from past windows, and those without memory.

    A guess is a Dirichlet-multinomial around the counts that are remembered and the null's centre.
    Of numbers, a smooth guess takes of what is remembered only the part that is a parabola over the
    bins (as location and spread change): few directions are learned from few rows.

    Four experts have no memory and so know at once what others learn: one expects anything, one
    that a bin gains at the cost of all others, and two expect numbers to move up or down, and
    elsewhere a gain too.

    Args:
        cells: the layout.
        waves: of its numbers.

    Attributes:
        remembered: `[memories, cells, bins]`, counts as they would be without a season.
    """

    def __init__(self, cells: Cells, waves: Waves) -> None:
        self.remembered = np.zeros((len(MEMORIES), len(cells), cells.bins))
        self._even = cells.mask / cells.sizes[:, None]
        self._waves = waves
        # A smooth guess is learned from the same rows with fewer directions to err in.
        self._ease = np.ones((len(WEIGHTS), len(cells)))
        self._ease[np.ix_(SMOOTH, waves.cells)] = waves.directions

    def guess(self, centre: Floats, base: Floats) -> Guesses:
        """What to expect of the next window.

        Args:
            centre: of the null for this window, `[cells, bins]`.
            base: of the null over all seasons, `[cells, bins]`.
        """
        prior = (1 - _SURPRISE) * base + _SURPRISE * self._even
        total = WEIGHTS[:, None] + self.remembered.sum(axis=-1)[:, None]
        counts = self.remembered[:, None] + WEIGHTS[:, None, None] * prior
        centres = counts / total[..., None]
        where = np.ix_(np.arange(len(MEMORIES)), SMOOTH, self._waves.cells)
        centres[where] = self._waves.smooth(centres[where], base[self._waves.cells])
        if centre is not base:
            centres *= _ratio(centre, base)
            centres /= centres.sum(axis=-1, keepdims=True)
        uncertainty = np.broadcast_to(self._ease / total, centres.shape[:-1])
        anything = (1 - _ALIKE) * centre + _ALIKE * self._even
        return Guesses(
            np.concatenate([centres.reshape(-1, *centre.shape), anything[None]]),
            np.concatenate(
                [uncertainty.reshape(-1, len(centre)), np.full((1, len(centre)), 1 / _ROWS)]
            ),
        )

    def remember(self, counts: Floats, centre: Floats, base: Floats, kept: Floats) -> None:
        """Take a window in.

        Args:
            counts: of the window, `[cells, bins]`.
            centre: as for `guess`.
            base: as for `guess`.
            kept: share of the memory that stays, `[memories, cells]`.
        """
        if centre is not base:
            rows = counts.sum(axis=-1, keepdims=True)
            counts = counts * _ratio(base, centre)
            counts *= rows / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-300)
        self.remembered *= kept[..., None]
        self.remembered += counts


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
