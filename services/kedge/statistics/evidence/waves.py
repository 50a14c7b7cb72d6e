"""How the shares of numbers move: along polynomials over their bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.statistics.evidence.cells import Cells
from kedge.statistics.evidence.likelihood import WindowCounts

SIZES = np.array([0.06, 0.12, 0.22, 0.4])
"""Tilts that are looked at, up and down, in standard deviations of a number's ranks."""

TILTS = np.array([*SIZES, *-SIZES])

_DEGREE = 2
# The least that a smooth guess makes of a share.
_SHRUNK = 0.05


class Tilted(NamedTuple):
    """How likely a window is if its numbers are tilted.

    Attributes:
        at: where those numbers that count something stand among the window's cells.
        numbers: which of all numbers they are.
        logs: log likelihoods, `[tilts, these numbers]`.
    """

    at: Ints
    numbers: Ints
    logs: Floats


class Waves:
    """Numbers of enough bins, and the polynomials over them that are orthonormal to the constant.

    A tilt moves a number up or down: its shares are multiplied by exp(t · wave), where the wave is
    the first polynomial. Location and scale change what lies on the first two.

    Args:
        cells: the layout.
        typical: shares under which they are orthonormal, `[cells, bins]`.

    Attributes:
        cells: which cells these are.
        directions: how many there are, of how many that all bins together have, `[numbers]`.
    """

    def __init__(self, cells: Cells, typical: Floats) -> None:
        self.cells = cells.numbers
        self._waves = _polynomials(typical[self.cells])
        self.directions = _DEGREE / (cells.sizes[self.cells] - 1)
        self._ratios = np.exp(TILTS[:, None, None] * self._waves[:, 0])

    def smooth(self, centres: Floats, base: Floats) -> Floats:
        """What is smooth of the ratio of some centres to the base, `[…, numbers, bins]`."""
        strength = np.einsum("...cb,cdb->...cd", centres - base, self._waves)
        ratio = 1 + np.einsum("...cd,cdb->...cb", strength, self._waves)
        smooth = base * np.maximum(ratio, _SHRUNK)
        return np.asarray(smooth / smooth.sum(axis=-1, keepdims=True))

    def tilted(self, counts: Floats, window: WindowCounts, centre: Floats, c: Floats) -> Tilted:
        """How likely a window is with each of the tilts.

        Args:
            counts: of the window, `[cells, bins]`.
            window: the same.
            centre: as it would be without a tilt, `[cells, bins]`.
            c: concentration, `[cells]`.
        """
        numbers = WindowCounts(counts[self.cells])
        moved = centre[self.cells] * self._ratios
        moved /= moved.sum(axis=-1, keepdims=True)
        mine = self.cells[numbers.cells]
        return Tilted(
            np.searchsorted(window.cells, mine),
            numbers.cells,
            numbers.log_likelihood(c[mine], moved),
        )


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
        waves.append(np.divide(wave, size, out=np.zeros_like(wave), where=size > 0))
    return np.stack(waves, axis=1) if len(shares) else np.zeros((0, _DEGREE, shares.shape[-1]))
