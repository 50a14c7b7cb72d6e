"""Which of three models explains a series best: no change, a line, or a single step."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints

ERRORS = 3
"""Standard errors between a value and its bounds."""

SIDE = 3
"""Values that a step has on either side, at least: of fewer it is a blip."""

_VERY_STRONG = 10.0


class Change(IntEnum):
    """The models, by their place in arrays."""

    NONE = 0
    LINE = 1
    STEP = 2


# Means, slopes and places of a step.
_PARAMETERS = np.array([1, 2, 3])[:, None]


class Changes(NamedTuple):
    """What was found in some series.

    Attributes:
        windows: with rows, `[series]`.
        best: the `Change` of each, `[series]`.
        place: the first window after the best step, `[series]`.
        dispersion: variance of a row around each model, `[models, series]`; 1 at least.
    """

    windows: Ints
    best: Ints
    place: Ints
    dispersion: Floats


def changes(times: Floats, values: Floats, weights: Floats) -> Changes:
    """Compare the models by the Bayesian information criterion.

    Each is fitted by least squares, weighted. With a residual sum of squares Q over m windows and k
    parameters, the criterion is

        m ln s² + Q / s² + k ln m,   s² = max(1, Q / m)

    (Schwarz, "Estimating the dimension of a model", 1978), where the variance s² is fitted, but is
    not below that of sampling, so nothing is made of windows that happen to agree. The place of a
    step is one of its parameters (Yao, "Estimating the number of change-points via Schwarz'
    criterion", 1988); all places are tried that leave `SIDE` windows on either side. A change has
    to be better than none by 10, which is "very strong" evidence (Kass and Raftery, "Bayes
    Factors", 1995, section 3.2); of the two changes, the better one is taken.

    Args:
        times: of the windows, ascending, `[windows]`.
        values: `[series, windows]`, each with a variance of 1 / weight by sampling.
        weights: `[series, windows]`; 0 where there is no value.
    """
    there = weights > 0
    windows = there.sum(axis=1)
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
    y = np.where(there, values - np.sum(weights * values, axis=1, keepdims=True) / total, 0)
    t = times - np.sum(weights * times, axis=1, keepdims=True) / total
    none = np.sum(weights * y**2, axis=1)
    by_line = _ratio(np.sum(weights * t * y, axis=1) ** 2, np.sum(weights * t**2, axis=1))
    # Of a step after each window but the last. The sums on its sides are opposite.
    before = np.cumsum(weights, axis=1)[:, :-1]
    passed = np.cumsum(there, axis=1)[:, :-1]
    sums = np.cumsum(weights * y, axis=1)[:, :-1]
    allowed = (passed >= SIDE) & (windows[:, None] - passed >= SIDE)
    by_step = np.where(allowed, _ratio(sums**2 * total, before * (total - before)), 0)
    place = 1 + by_step.argmax(axis=1) if by_step.shape[1] else np.zeros(len(values), np.int64)
    gains = np.stack([0 * none, by_line, by_step.max(axis=1, initial=0)])
    squares = np.maximum(none - gains, 0)

    m = np.maximum(windows, 1)
    fitted = np.maximum(squares / m, 1)
    criterion = m * np.log(fitted) + squares / fitted + _PARAMETERS * np.log(m)
    criterion[Change.NONE] -= _VERY_STRONG
    free = np.maximum(windows - _PARAMETERS, 1)
    return Changes(windows, criterion.argmin(axis=0), place, np.maximum(squares / free, 1))


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
