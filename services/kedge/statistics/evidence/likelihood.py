"""How likely counts are under Dirichlet-multinomial distributions, for many at once."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

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
        owner, self._bin = np.nonzero(counts)
        self._owner = owner
        self._counts = counts[owner, self._bin]
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
        alpha = concentration[..., self._position] * centre[..., self._owner, self._bin]
        terms = gammaln(alpha + self._counts) - gammaln(alpha)
        return np.asarray(
            gammaln(concentration)
            - gammaln(concentration + self.rows)
            + np.add.reduceat(terms, self._first, axis=-1)
        )


def log_mean(logs: Floats, weights: Floats) -> Floats:
    """Logarithm of a mean over the first axis, by weights that add up to one."""
    highest = logs.max(axis=0)
    return np.asarray(highest + np.log(np.sum(weights * np.exp(logs - highest), axis=0)))
