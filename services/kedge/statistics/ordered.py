"""Distances between values that have an order, from their counts and sums on bins.

A profile does not know where in its bin a value is, so what the raw values would give is known
within bounds. They are certain: there is no sample of values, on the same bins and with the same
sums, whose distance is outside. The value published is the lower one, so that "above the
threshold" is never said of what may be below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.profile import UNIT
from kedge.statistics.distances import shares_of


class Bounds(NamedTuple):
    """What a distance on the raw values is at least and at most."""

    low: float
    high: float


def kolmogorov_smirnov(window: Ints, reference: Ints) -> Bounds | None:
    """The largest difference of the two cumulative distributions.

    At the bins' edges it is known exactly. Within a bin, one of them may already be where it is at
    the bin's end while the other still is where it was at its start: that is the upper bound. On
    categories there is nothing within a bin, and the lower bound is the distance.

    Args:
        window: counts `[bins]`, in the order of the values.
        reference: counts on the same bins.

    Returns:
        Bounds within 0 and 1; None where one of the two counts nothing.
    """
    shares = shares_of(window, reference)
    if shares is None:
        return None
    p, q = shares
    f, g = np.cumsum(p), np.cumsum(q)
    low = np.abs(f - g).max()
    high = np.maximum(f - (g - q), g - (f - p)).max()
    return Bounds(float(low), float(min(max(low, high), 1.0)))


def wasserstein(
    window: Ints, window_sums: Ints, reference: Ints, reference_sums: Ints, edges: Floats
) -> Bounds | None:
    """The area between the two cumulative distributions, in standard deviations of the reference.

    It is the first Wasserstein distance of one-dimensional samples (Ramdas, Trillos and Cuturi, "On
    Wasserstein Two-Sample Testing …", 2017, section 2). Integrated by parts, the signed area over a
    bin follows from the bin's count and sum, in the open bins at the ends too. Where the
    distributions do not cross within a bin that is the area, and adding up its sizes is the lower
    bound. The upper bound of an inner bin is the least of three:

    - one distribution being as far above the other as their values at the ends allow for a part of
      the bin, and as far below for the rest, with the signed area that is known;
    - the difference at the left end all through, and what the values in the bin add to it: as much
      as their ways to the right end, together;
    - the same from the right end.

    Args:
        window: counts `[bins]`.
        window_sums: sums `[bins]` in fixed point, as in a profile.
        reference: counts on the same bins.
        reference_sums: their sums.
        edges: float64 `[bins - 1]`, one at least, in fixed point too.

    Returns:
        Bounds to within the fixed point's rounding; None where one of the two counts nothing.
    """
    shares = shares_of(window, reference)
    if shares is None:
        return None
    (p, q), totals = shares, (int(window.sum()), int(reference.sum()))
    edges = edges * UNIT
    s, t = window_sums * (UNIT / totals[0]), reference_sums * (UNIT / totals[1])
    # In the open bins, the area between a distribution and its end.
    ends = np.array(
        [
            [edges[0] * share[0] - total[0], total[-1] - edges[-1] * share[-1]]
            for share, total in ((p, s), (q, t))
        ]
    ).clip(0)
    low, high = np.abs(ends[0] - ends[1]).sum(), ends.sum()
    # In the inner bins, how far the values are from the left end, together.
    width, left = np.diff(edges), edges[:-1]
    f, g = np.cumsum(p)[:-1], np.cumsum(q)[:-1]
    p, q, s, t = p[1:-1], q[1:-1], s[1:-1], t[1:-1]
    way_p = np.clip(s - left * p, 0, width * p)
    way_q = np.clip(t - left * q, 0, width * q)
    area = width * (f - g)[1:] - way_p + way_q
    signed = np.abs(area)
    above, below = np.maximum(f[1:] - g[:-1], 0), np.maximum(g[1:] - f[:-1], 0)
    both = above + below
    crossing = np.where(
        (above > 0) & (below > 0),
        2 * above * (area + below * width) / np.where(both > 0, both, 1) - area,
        signed,
    )
    from_left = width * np.abs(f - g)[:-1] + (width * p - way_p) + (width * q - way_q)
    from_right = width * np.abs(f - g)[1:] + way_p + way_q
    inner = np.minimum(crossing, np.minimum(from_left, from_right))
    return Bounds(float(low + signed.sum()), float(high + np.maximum(inner, signed).sum()))
