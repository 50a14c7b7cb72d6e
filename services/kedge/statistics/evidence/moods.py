"""How numbers tilt by themselves while nothing has changed."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from kedge.contracts.predictions import Floats, Ints
from kedge.statistics.evidence.waves import TILTS

DEVIATIONS = np.array([0.05, 0.1, 0.2, 0.05, 0.1, 0.1])
"""Standard deviations of the tilt, by mood, in those of a number's ranks."""

PERSISTENCE = np.array([0.0, 0.0, 0.0, 0.9, 0.9, 0.98])
"""Autocorrelation of the tilt from window to window; where there is some, the stream wanders."""

# So that no state is impossible.
_ANYWHERE = 1e-9
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

    def log_likelihood(self, numbers: Ints, states: Floats) -> Floats:
        """How likely a window is for each mood, `[moods, these numbers]`.

        Args:
            numbers: that it counts something of.
            states: log likelihood in each state, `[states, these numbers]`.
        """
        highest = states.max(axis=0)
        likely = np.einsum("msn,sn->mn", self.expected[..., numbers], np.exp(states - highest))
        return np.asarray(highest + np.log(likely))

    def learn(self, numbers: Ints, states: Floats) -> None:
        """Take a window in; arguments as of `log_likelihood`."""
        likely = self.expected[..., numbers] * np.exp(states - states.max(axis=0))
        likely /= likely.sum(axis=1, keepdims=True)
        self.expected[..., numbers] = np.matmul(_TRANSITIONS.swapaxes(1, 2), likely)


def _shares(means: Floats, deviations: Floats) -> Floats:
    """How much of each normal distribution is nearest to each state, `[…, states]`."""
    order = np.argsort(_STATES)
    edges = (_STATES[order][1:] + _STATES[order][:-1]) / 2
    inner = ndtr((edges - means[..., None]) / deviations[..., None])
    below = np.concatenate([0 * inner[..., :1], inner, 1 + 0 * inner[..., :1]], axis=-1)
    shares = np.empty((*means.shape, len(_STATES)))
    shares[..., order] = np.diff(below)
    return (1 - _ANYWHERE) * shares + _ANYWHERE / len(_STATES)


_STATIONARY = _shares(np.zeros(len(DEVIATIONS)), DEVIATIONS)
_TRANSITIONS = _shares(
    PERSISTENCE[:, None] * _STATES,
    (DEVIATIONS * np.sqrt(1 - PERSISTENCE**2))[:, None] + 0 * _STATES,
)
