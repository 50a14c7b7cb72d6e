"""How numbers tilt by themselves while nothing has changed."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from kedge.contracts.predictions import Floats
from kedge.statistics.evidence.likelihood import log_mean
from kedge.statistics.evidence.waves import TILTS, Tilted

DEVIATIONS = np.array([0.05, 0.1, 0.2, 0.05, 0.1, 0.1])
"""Standard deviations of the tilt, by mood, in those of a number's ranks."""

PERSISTENCE = np.array([0.0, 0.0, 0.0, 0.9, 0.9, 0.98])
"""Autocorrelation of the tilt from window to window; where there is some, the stream wanders."""

# No tilt, and each.
_STATES = np.array([0.0, *TILTS])


class Moods:
    """A hidden Markov model of the tilt for each mood, and what it says of the next window.

    The tilt is an autoregression of first order with a normal stationary distribution, rounded to
    the tilts that are looked at; the filter is the forward algorithm (Rabiner, "A tutorial on
    hidden Markov models", 1989, III.A). Without autocorrelation the tilt is new in each window.

    Args:
        numbers: how many cells can tilt.

    Attributes:
        expected: of each state in the next window, `[moods, states, numbers]`.
    """

    def __init__(self, numbers: int) -> None:
        self.expected = np.repeat(_STATIONARY[..., None], numbers, axis=2)

    def log_likelihood(self, calm: Floats, tilts: Tilted) -> Floats:
        """How likely a window is for each mood; as if calm, where there are no numbers.

        Args:
            calm: log likelihood without a tilt, `[cells of the window]`.
            tilts: with each.

        Returns:
            `[moods, cells of the window]`.
        """
        logs = np.concatenate([calm[None, tilts.at], tilts.logs])
        found = np.repeat(calm[None], len(DEVIATIONS), axis=0)
        found[:, tilts.at] = log_mean(logs[:, None], self._of(tilts).swapaxes(0, 1))
        return found

    def learn(self, calm: Floats, tilts: Tilted) -> None:
        """Take a window in; arguments as of `log_likelihood`."""
        logs = np.concatenate([calm[None, tilts.at], tilts.logs])
        likely = self._of(tilts) * np.exp(logs - logs.max(axis=0))
        likely /= likely.sum(axis=1, keepdims=True)
        self.expected[..., tilts.numbers] = np.einsum("msn,mst->mtn", likely, _TRANSITIONS)

    def _of(self, tilts: Tilted) -> Floats:
        return self.expected[..., tilts.numbers]


def _shares(means: Floats, deviations: Floats) -> Floats:
    """How much of each normal distribution is nearest to each state, `[…, states]`."""
    order = np.argsort(_STATES)
    edges = (_STATES[order][1:] + _STATES[order][:-1]) / 2
    inner = ndtr((edges - means[..., None]) / deviations[..., None])
    below = np.concatenate([0 * inner[..., :1], inner, 1 + 0 * inner[..., :1]], axis=-1)
    shares = np.empty((*means.shape, len(_STATES)))
    shares[..., order] = np.diff(below)
    return shares


_STATIONARY = _shares(np.zeros(len(DEVIATIONS)), DEVIATIONS)
_TRANSITIONS = _shares(
    PERSISTENCE[:, None] * _STATES,
    (DEVIATIONS * np.sqrt(1 - PERSISTENCE**2))[:, None] + 0 * _STATES,
)
