"""How far vectors, as embeddings are, have moved from the reference's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.profile import UNIT, ReferenceColumn, VectorScale
from kedge.profile.vectors import FREQUENCIES, WAVE_UNIT
from kedge.statistics.statistic import Statistic

LITTLE = 0.1
"""Of a distance that can be 1.4, what is not worth a warning that chance may bring it."""


class _Means(NamedTuple):
    """Of the vectors of a profile: by dimension, and of the random features."""

    dimensions: Floats
    features: Floats
    rows: int


def vector_statistics(column: ReferenceColumn, counts: Ints, sums: Ints) -> Iterator[Statistic]:
    """`mmd` of the distributions, and `dimension_shift` of the dimension that has moved most.

    Args:
        column: of the reference.
        counts: `[1]`, rows of the window with a usable vector.
        sums: as in its profile.
    """
    spec, scale, rows = column.spec, column.scale, int(counts.sum())
    if not isinstance(scale, VectorScale) or not rows:
        why = f"no usable value in the {'reference' if rows else 'window'}"
        for name in ("mmd", "dimension_shift"):
            yield Statistic(name, None, rows, spec.role, spec.name, note=why)
        return
    now = _means(scale, sums, rows)
    before = _means(scale, column.sums, int(column.counts.sum()))
    distance, note = _discrepancy(now, before)
    yield Statistic("mmd", distance, rows, spec.role, spec.name, note=note)
    shift, note = _largest_shift(scale, now, before)
    yield Statistic("dimension_shift", shift, rows, spec.role, spec.name, note=note)


def _means(scale: VectorScale, sums: Ints, rows: int) -> _Means:
    # With this factor a row's features have length 1.
    features = sums[scale.width :] * (WAVE_UNIT / np.sqrt(FREQUENCIES))
    return _Means(sums[: scale.width] * UNIT / rows, features / rows, rows)


def _discrepancy(now: _Means, before: _Means) -> tuple[float | None, str | None]:
    """Maximum mean discrepancy: the root of the unbiased estimate of its square, or 0 below 0.

    Gretton et al., "A Kernel Two-Sample Test", 2012, equation 3, where each row's kernel with
    itself is 1. Of equal distributions the square is about 0 give or take what the note says.
    """
    if min(now.rows, before.rows) == 1:
        return None, "one row alone does not tell how far rows are apart"
    chance = sum((1 - float(m.features @ m.features)) / (m.rows - 1) for m in (now, before))
    apart = now.features - before.features
    square = float(apart @ apart) - chance
    little = max(chance, 0.0) ** 0.5
    note = f"few rows: with nothing changed, it may be {little:.2g}" if little > LITTLE else None
    return max(square, 0.0) ** 0.5, note


def _largest_shift(scale: VectorScale, now: _Means, before: _Means) -> tuple[float | None, str]:
    """The largest shift of a dimension's mean, in standard deviations, whichever way."""
    varying = np.flatnonzero(scale.spreads)
    if not len(varying):
        return None, "every dimension of the reference is constant"
    shifts = np.abs(now.dimensions - before.dimensions)[varying]
    # The maximum of so many normal variables of either sign: Boucheron, Lugosi and Massart,
    # "Concentration Inequalities", 2013, section 2.5.
    chance = np.sqrt(2 * np.log(2 * len(varying)) * (1 / now.rows + 1 / before.rows))
    return float(shifts.max()), (
        f"dimension {varying[shifts.argmax()]}; with nothing changed, up to about {chance:.2g}"
    )
