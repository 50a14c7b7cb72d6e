"""Distances between two sets of counts on the same bins, whose order does not matter.

Each takes the counts of a window and of its reference, `[bins]`, and gives None where one of the
two counts nothing: no data is neither near nor far. None of them is ever infinite.
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
    shares = shares_of(window, reference)
    if shares is None:
        return None
    p, q = (np.maximum(share, FLOOR) for share in shares)
    return float(np.sum((p - q) * np.log(p / q)))


def js_distance(window: Ints, reference: Ints) -> float | None:
    """Jensen-Shannon distance with base 2: 0 for the same shares, 1 for disjoint ones.

    The square root of the divergence (Endres and Schindelin, "A new metric for probability
    distributions", 2003). Empty bins need no care.
    """
    shares = shares_of(window, reference)
    if shares is None:
        return None
    p, q = shares
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def hellinger(window: Ints, reference: Ints) -> float | None:
    """Hellinger distance, sqrt(sum of (sqrt p - sqrt q)^2 / 2), from 0 to 1.

    Hellinger, "Neue Begründung der Theorie quadratischer Formen …", 1909.
    """
    shares = shares_of(window, reference)
    if shares is None:
        return None
    p, q = shares
    return float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2))


def l_infinity(window: Ints, reference: Ints) -> float | None:
    """The largest difference that a single bin's share has made."""
    shares = shares_of(window, reference)
    return None if shares is None else float(np.abs(shares[0] - shares[1]).max())


def chi_squared(window: Ints, reference: Ints) -> float | None:
    """Pearson's chi-squared of the two rows of counts, per degree of freedom.

    Both are samples, as in a test of homogeneity; without Yates' correction. Bins that both leave
    empty are no category. About 1 where nothing has changed, whatever the number of rows and bins,
    and proportional to the rows where something has: it is evidence, not size. Cramér's V would be
    no better: with references much larger than windows it goes to 0 whatever happens.

    With one bin only, nothing can differ: 0.
    """
    if not (window.any() and reference.any()):
        return None
    observed = np.array([window, reference], np.float64)
    observed = observed[:, observed.any(axis=0)]
    if observed.shape[1] == 1:
        return 0.0
    expected = observed.sum(axis=1, keepdims=True) * observed.sum(axis=0) / observed.sum()
    return float(np.sum((observed - expected) ** 2 / expected) / (observed.shape[1] - 1))


def shares_of(window: Ints, reference: Ints) -> tuple[Floats, Floats] | None:
    """Both as shares of their sums; None where one has none."""
    totals = window.sum(), reference.sum()
    if not all(totals):
        return None
    return window / totals[0], reference / totals[1]


def _relative_entropy(p: Floats, q: Floats) -> float:
    there = p > 0
    return float(np.sum(p[there] * np.log2(p[there] / q[there])))
