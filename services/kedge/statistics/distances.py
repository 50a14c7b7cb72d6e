"""Distances between two sets of counts on the same bins.

Each takes the counts of a window and of its reference, `[bins]`, and gives None where one of the
two counts nothing: no data is neither near nor far.
"""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Floats, Ints

# The share that an empty bin is taken to have, so that no distance is infinite. Evidently's choice.
FLOOR = 1e-4


def psi(window: Ints, reference: Ints) -> float | None:
    """Population stability index, sum of (p - q) ln(p / q), in nats.

    Shares below `FLOOR` are taken as `FLOOR`; where no bin is that empty, this is the textbook's
    number. Conventional reading: below 0.1 no shift, 0.1 to 0.25 moderate, above significant
    (Siddiqi, "Credit Risk Scorecards", 2006).
    """
    shares = _shares(window, reference)
    if shares is None:
        return None
    p, q = (np.maximum(share, FLOOR) for share in shares)
    return float(np.sum((p - q) * np.log(p / q)))


def js_distance(window: Ints, reference: Ints) -> float | None:
    """Jensen-Shannon distance with base 2: 0 for the same shares, 1 for disjoint ones.

    The square root of the divergence (Endres and Schindelin, "A new metric for probability
    distributions", 2003). Empty bins need no care.
    """
    shares = _shares(window, reference)
    if shares is None:
        return None
    p, q = shares
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def _shares(window: Ints, reference: Ints) -> tuple[Floats, Floats] | None:
    totals = window.sum(), reference.sum()
    if not all(totals):
        return None
    return window / totals[0], reference / totals[1]


def _relative_entropy(p: Floats, q: Floats) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
