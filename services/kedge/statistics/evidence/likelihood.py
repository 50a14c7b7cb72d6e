"""How likely counts are under Dirichlet-multinomial distributions, for many at once."""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Floats, Ints


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
        self._first = np.flatnonzero(np.concatenate([owner[:1] >= 0, owner[1:] > owner[:-1]]))
        self.cells = owner[self._first]
        self._bins = np.concatenate([self._first[1:], [len(owner)]])[: len(self._first)]
        self._bins -= self._first
        self._position = np.repeat(np.arange(len(self.cells)), self._bins)
        self.rows = np.add.reduceat(self._counts, self._first)
        self._steps = np.concatenate([self._counts, self.rows])

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
        of_bins, of_rows = self._terms(alpha, concentration)
        return np.asarray(np.add.reduceat(of_bins, self._first, axis=-1) - of_rows)

    def _terms(self, alpha: Floats, concentration: Floats) -> tuple[Floats, Floats]:
        """Of each bin that counts something, and of each cell's rows."""
        bins = len(self._counts)
        # In one call: of so few numbers, calls take as long as what they do.
        starts = np.empty((*alpha.shape[:-1], len(self._steps)))
        starts[..., :bins], starts[..., bins:] = alpha, concentration
        terms = log_rising(starts, self._steps)
        return terms[..., :bins], terms[..., bins:]

    def log_gain(
        self, shares: Floats, concentration: Floats, centre: Floats, sizes: Ints
    ) -> Floats:
        """The same, if one bin has a share of all rows more: each bin may be it, and each share.

        Args:
            shares: that it may have more.
            concentration: `[cells]`, of all cells.
            centre: without the gain, `[cells, bins]`.
            sizes: bins of each cell, `[cells]`.

        Returns:
            `[cells]`, of the cells that count something only.
        """
        concentration, sizes = concentration[self.cells], sizes[self.cells]
        gain = shares[:, None] * concentration[self._position]
        alpha = (concentration[self._position] - gain) * centre.reshape(-1)[self._place]
        half = len(shares)
        of_bins, of_rows = self._terms(np.concatenate([alpha, alpha + gain]), concentration)
        without, more = of_bins[:half], of_bins[half:] - of_bins[:half]
        most = np.maximum(np.maximum.reduceat(more, self._first, axis=-1), 0.0)
        counted = np.add.reduceat(np.exp(more - most[:, self._position]), self._first, axis=-1)
        # In a bin that counts nothing a gain makes no other bin's count less likely or more.
        mean = most + np.log((counted + (sizes - self._bins) * np.exp(-most)) / sizes)
        mean += np.add.reduceat(without, self._first, axis=-1) - of_rows[:half]
        return log_mean(mean, np.array(1 / half))


def log_rising(start: Floats, steps: Floats) -> Floats:
    """Log Γ(start + steps) - log Γ(start), to 10⁻⁷; faster than two `gammaln`.

    Γ(z + 4) = z(z + 1)(z + 2)(z + 3) Γ(z), and Stieltjes' continued fraction at z + 4 (Digital
    Library of Mathematical Functions, 5.5.1 and 5.10.1).

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
    rising = _log_gamma(end)
    rising -= _log_gamma(start + 4)
    rising -= steps
    rising -= np.log(above, out=above)
    return np.asarray(rising)


def _log_gamma(z: Floats) -> Floats:
    """Log Γ(z) + z - log √2π for z ≥ 4, whose place is used."""
    first, second, third = 1 / 12, 1 / 30, 53 / 210
    square = z * z
    rest = square + third
    square += second + third
    square *= z
    rest /= square
    rest *= first
    found = np.log(z)
    z -= 0.5
    found *= z
    found += rest
    return found


def log_mean(logs: Floats, weights: Floats) -> Floats:
    """Logarithm of a mean over the first axis, by weights that add up to one."""
    highest = logs.max(axis=0)
    return np.asarray(highest + np.log(np.sum(weights * np.exp(logs - highest), axis=0)))
