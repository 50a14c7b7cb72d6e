"""How likely counts are under Dirichlet-multinomial distributions, for many at once."""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Floats


class WindowCounts:
    """The counts of a window, with only the bins that count something looked at.

    Args:
        counts: `[cells, bins]`.

    Attributes:
        cells: the indices of the cells that count something, ascending.
        rows: for each of these, how many rows it counts.
    """

    def __init__(self, counts: Floats) -> None:
        self._place = np.flatnonzero(counts)
        self._counts = counts.reshape(-1)[self._place]
        owner = self._place // counts.shape[1]
        self._first = np.flatnonzero(np.diff(owner, prepend=-1))
        self.cells = owner[self._first]
        self._position = np.repeat(
            np.arange(len(self.cells)), np.diff(self._first, append=len(owner))
        )
        self.rows = np.add.reduceat(self._counts, self._first)

    def log_likelihood(self, concentration: Floats, centre: Floats) -> Floats:
        """Log probability of the counts, less the multinomial coefficient, which ratios lose.

        The Dirichlet-multinomial of parameters `concentration · centre` (Johnson, Kotz and
        Balakrishnan, "Discrete Multivariate Distributions", 1997, chapter 35.13.1).

        Args:
            concentration: `[…, cells]`, of the cells that count something only.
            centre: `[…, cells, bins]`, of all cells; positive wherever there is a count.

        Returns:
            `[…, cells]`, of the cells that count something only.
        """
        flat = centre.reshape(*centre.shape[:-2], -1)
        alpha = concentration.take(self._position, axis=-1) * flat.take(self._place, axis=-1)
        terms = log_rising(alpha, self._counts)
        together = np.add.reduceat(terms, self._first, axis=-1)
        return np.asarray(together - log_rising(concentration, self.rows))


def log_rising(start: Floats, steps: Floats) -> Floats:
    """Log Γ(start + steps) - log Γ(start), to 10⁻⁸; three times as fast as two `gammaln`.

    Γ(z + 4) = z(z + 1)(z + 2)(z + 3) Γ(z), and Stirling's series at z + 4 (Digital Library of
    Mathematical Functions, 5.5.1 and 5.11.1).

    Args:
        start: positive.
        steps: one or more.
    """
    end = start + steps
    below, above = start * (start + 3), end * (end + 3)
    below *= below + 2
    above *= above + 2
    above /= below
    end += 4
    rising = _stirling(end) - _stirling(start + 4)
    rising -= steps
    rising -= np.log(above)
    return np.asarray(rising)


def _stirling(z: Floats) -> Floats:
    """Log Γ(z) + z - log √2π for z ≥ 4, whose place is used."""
    inverse = 1 / z
    square = inverse * inverse
    series = square * (-1 / 1680)
    for term in (1 / 1260, -1 / 360):
        series += term
        series *= square
    series += 1 / 12
    series *= inverse
    found = np.log(z)
    z -= 0.5
    found *= z
    found += series
    return found


def log_mean(logs: Floats, weights: Floats) -> Floats:
    """Logarithm of a mean over the first axis, by weights that add up to one."""
    highest = logs.max(axis=0)
    return np.asarray(highest + np.log(np.sum(weights * np.exp(logs - highest), axis=0)))
