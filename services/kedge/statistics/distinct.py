"""How many categories a window has."""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Ints
from kedge.profile import Missing, ReferenceColumn
from kedge.profile.distinct import STANDARD_ERROR, Registers, estimate
from kedge.statistics.statistic import Statistic

_DEVIATIONS = 3
"""Standard errors to either side: the sketch's error is nearly normal, so 99.7 % are within."""


def distinct(
    column: ReferenceColumn, counts: Ints, missing: Ints, registers: Registers | None
) -> Statistic:
    """The number of distinct categories.

    Where every category has a bin it is counted; of unseen ones only the rows are known, so it is
    between one more and as many more as there are rows. Where categories share bins, a sketch
    estimates it, and the bounds are three standard errors away, or where the bins say for sure that
    it is no less or no more.

    Args:
        column: of the reference, categorical.
        counts: rows of the window in each bin.
        missing: rows of the window without a usable value, by kind.
        registers: of the window's sketch, `[1024]`; None where every category has a bin.
    """
    spec, bins = column.spec, column.bins
    rows, unseen = int(counts.sum()), int(missing[Missing.UNSEEN])
    own = int(np.count_nonzero(counts[: len(bins.categories)]))
    if registers is None:
        low, high = float(own + bool(unseen)), float(own + unseen)
        value = low
    elif rows and not registers.any():
        note = "the window was profiled before categories were counted"
        return Statistic("distinct", None, rows, spec.role, spec.name, note=note)
    else:
        shared = counts[len(bins.categories) :]
        least, most = own + int(np.count_nonzero(shared)), own + int(shared.sum())
        value = float(min(max(estimate(registers), least), most))
        spread = _DEVIATIONS * STANDARD_ERROR * value
        low, high = float(max(value - spread, least)), float(min(value + spread, most))
    exact = low == high
    return Statistic(
        "distinct",
        value,
        rows + unseen,
        spec.role,
        spec.name,
        low=None if exact else low,
        high=None if exact else high,
    )
