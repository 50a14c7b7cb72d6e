"""Who bets against the null: experts, each with a guess of windows after a change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
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

FIXED = 3
"""How many experts have no memory."""

EXPERTS = MEMORIES.size * WEIGHTS.size + FIXED
"""How many there are: for each memory those of each weight, then those without."""

# Of the guesses without memory, how many rows they are worth, and which share of them lies on all
# bins alike.
_ROWS = np.array([4.0, 1000.0])
_ALIKE = np.array([0.25, 0.05])


class Guesses(NamedTuple):
    """What the experts expect of the next window.

    Attributes:
        centres: `[guesses, cells, bins]`: of the experts with memory, of the one that expects
            anything, and of a little of everything.
        uncertainty: `[guesses, cells]`, one by the rows that the centre is known from.
        numbers: the cells in which the last two experts expect a tilt.
    """

    centres: Floats
    uncertainty: Floats
    numbers: Ints

    def differ(self, centre: Floats, known: Floats, floor: float) -> Mask:
        """Who expects something else than the null does, `[experts, cells]`.

        An expert does who expects a PSI from the null's centre that is by `floor` more than what
        the null does: the distance of the centres, and (bins - 1)/c for how uncertain it is of its
        own. The PSI of a tilt is its square, or nearly.
        """
        there = centre > 0
        safe = np.where(there, centre, 1.0)
        guess = np.where(there, self.centres, 1.0)
        psi = np.sum((guess - safe) * np.log(guess / safe), axis=-1)
        psi[-1, self.numbers] = np.mean(SIZES**2)
        sizes = there.sum(axis=-1)
        differ = psi + (sizes - 1) * (self.uncertainty - known) >= floor
        return np.concatenate([differ, differ[-1:]])

    def log_likelihood(self, window: WindowCounts, natural: Floats, tilts: Tilted) -> Floats:
        """How likely a window is for each expert, `[experts, cells of the window]`.

        Args:
            window: its counts.
            natural: variation from window to window, one by rows, `[cells]`.
            tilts: how likely it is with each tilt.
        """
        concentration = 1 / (self.uncertainty + natural)[:, window.cells]
        guessed = window.log_likelihood(concentration, self.centres)
        guessed = np.concatenate([guessed, guessed[-1:]])
        half = len(SIZES)
        guessed[-2, tilts.at] = log_mean(tilts.logs[:half], np.array(1 / half))
        guessed[-1, tilts.at] = log_mean(tilts.logs[half:], np.array(1 / half))
        return guessed


class Experts:
    """Guesses: one for each memory and weight from past windows, and those without memory.

    A guess is a Dirichlet-multinomial around the counts that are remembered and the null's centre.
    Of numbers, a smooth guess takes of what is remembered only the part that is a parabola over the
    bins (as location and spread change): few directions are learned from few rows.

    Three experts have no memory and so know at once what others learn: one expects anything, two
    expect numbers to move up or down, and elsewhere a little of everything.

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
        fixed = (1 - _ALIKE[:, None, None]) * centre + _ALIKE[:, None, None] * self._even
        return Guesses(
            np.concatenate([centres.reshape(-1, *centre.shape), fixed]),
            np.concatenate(
                [
                    uncertainty.reshape(-1, len(centre)),
                    np.repeat(1 / _ROWS[:, None], len(centre), axis=1),
                ]
            ),
            self._waves.cells,
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
