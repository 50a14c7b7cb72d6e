"""Who bets against the null: experts, each with a guess of windows after a change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats
from kedge.statistics.evidence.cells import Cells, Mask

MEMORIES = np.array([0.8, 0.97, np.nan])
"""What an expert keeps of its memory from window to window; NaN: as much as its evidence says."""

WEIGHTS = np.array([20.0, 100.0])
"""In rows, how much an expert holds to the null's centre beside what it remembers."""

SMOOTH = np.array([False, True])
"""Of each weight, whether its experts expect bins side by side to change alike."""

_DEGREE = 2
# The least that a smooth guess makes of a share.
_SHRUNK = 0.05

# Share of a guess that lies on all bins alike: what was never seen can come.
_SURPRISE = 0.02

TILTS = np.array([0.15, -0.15])
"""What experts without memory expect: numbers move up or down by so many standard deviations of
their ranks. One more of them expects anything."""

FIXED = 1 + TILTS.size
"""How many experts have no memory."""

EXPERTS = MEMORIES.size * WEIGHTS.size + FIXED
"""How many there are: for each memory those of each weight, then those without."""

# Of those without memory, how many rows their guess is worth, and which share of it lies on all
# bins alike; where there is no order to move in, this share is all that they expect.
_ROWS = np.array([4.0, 1000.0, 1000.0])
_ALIKE = np.array([0.25, 0.05, 0.05])


class Guesses(NamedTuple):
    """What the experts expect of the next window.

    Attributes:
        centres: `[experts, cells, bins]`.
        uncertainty: `[experts, cells]`, one by the rows that the centre is known from.
    """

    centres: Floats
    uncertainty: Floats

    def differ(self, centre: Floats, known: Floats, floor: float) -> Mask:
        """Who expects something else than the null does, `[experts, cells]`.

        An expert does who expects a PSI from the null's centre that is by `floor` more than what
        the null does: the distance of the centres, and (bins - 1)/c for how uncertain it is of its
        own.
        """
        there = centre > 0
        safe = np.where(there, centre, 1.0)
        guess = np.where(there, self.centres, 1.0)
        psi = np.sum((guess - safe) * np.log(guess / safe), axis=-1)
        sizes = there.sum(axis=-1)
        return np.asarray(psi + (sizes - 1) * (self.uncertainty - known) >= floor)


class Experts:
    """Guesses: one for each memory and weight from past windows, and those without memory.

    A guess is a Dirichlet-multinomial around the counts that are remembered and the null's centre.
    Of numbers, a smooth guess takes of what is remembered only the part that is a parabola over the
    bins (as location and spread change): few directions are learned from few rows.

    Three experts have no memory and so know at once what others learn: one expects anything, two
    expect numbers to move up or down.

    Args:
        cells: the layout.
        typical: shares under which that part is found, `[cells, bins]`.

    Attributes:
        remembered: `[memories, cells, bins]`, counts as they would be without a season.
    """

    def __init__(self, cells: Cells, typical: Floats) -> None:
        self.remembered = np.zeros((len(MEMORIES), len(cells), cells.bins))
        self._even = cells.mask / cells.sizes[:, None]
        self._ordered = np.flatnonzero(cells.ordered & (cells.sizes > _DEGREE + 1))
        self._waves = _polynomials(typical[self._ordered])
        # A smooth guess is learned from the same rows with fewer directions to err in.
        self._ease = np.ones((len(WEIGHTS), len(cells)))
        self._ease[np.ix_(SMOOTH, self._ordered)] = _DEGREE / (cells.sizes[self._ordered] - 1)

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
        self._smooth(centres, base)
        if centre is not base:
            centres *= _ratio(centre, base)
            centres /= centres.sum(axis=-1, keepdims=True)
        uncertainty = np.broadcast_to(self._ease / total, centres.shape[:-1])
        fixed = np.repeat(1 / _ROWS[:, None], len(centre), axis=1)
        return Guesses(
            np.concatenate([centres.reshape(-1, *centre.shape), self._fixed(centre)]),
            np.concatenate([uncertainty.reshape(-1, len(centre)), fixed]),
        )

    def _fixed(self, centre: Floats) -> Floats:
        """Centres of those without memory, `[fixed, cells, bins]`."""
        alike = _ALIKE[:, None, None]
        centres = (1 - alike) * centre + alike * self._even
        ratio = np.maximum(1 + TILTS[:, None, None] * self._waves[:, 0], _SHRUNK)
        moved = centre[self._ordered] * ratio
        centres[1:, self._ordered] = moved / moved.sum(axis=-1, keepdims=True)
        return centres

    def _smooth(self, centres: Floats, base: Floats) -> None:
        """Keep of the smooth guesses only what is smooth of their ratio to the base."""
        where = np.ix_(np.arange(len(MEMORIES)), SMOOTH, self._ordered)
        base = base[self._ordered]
        strength = np.einsum("...cb,cdb->...cd", centres[where] - base, self._waves)
        ratio = 1 + np.einsum("...cd,cdb->...cb", strength, self._waves)
        smooth = base * np.maximum(ratio, _SHRUNK)
        centres[where] = smooth / smooth.sum(axis=-1, keepdims=True)

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


def _polynomials(shares: Floats) -> Floats:
    """Polynomials over the bins, orthonormal under the shares and to the constant.

    Args:
        shares: `[cells, bins]`.

    Returns:
        `[cells, degree, bins]`; zero where there is only padding.
    """
    position = np.cumsum(shares, axis=-1) - shares / 2
    waves: list[Floats] = []
    for degree in range(1, _DEGREE + 1):
        wave = position**degree
        for other in (np.ones_like(wave), *waves):
            wave = wave - np.sum(shares * wave * other, axis=-1, keepdims=True) * other
        wave *= shares > 0
        size = np.sqrt(np.sum(shares * wave**2, axis=-1, keepdims=True))
        waves.append(_ratio(wave, size + 0 * wave))
    return np.stack(waves, axis=1) if len(shares) else np.zeros((0, _DEGREE, shares.shape[-1]))
