"""The unit of a numeric column: standard deviations of its reference, in fixed point.

Sums over rows are kept as whole numbers, so they come out the same in whatever order rows, messages
and profiles are added, and equal profiles are equal exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from kedge.contracts.predictions import Floats

UNIT = 2.0**-20
"""What a fixed-point number counts, in standard deviations. Each row's value is rounded to it."""

FARTHEST = 1024.0
"""Standard deviations from the mean at which a value is taken to be, when it is farther out.

So no value of one row outweighs all others, and 8 million rows of a message add up to less than the
2**53 below which float64 adds whole numbers exactly.
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """Mean and standard deviation (of the population) of a column's values in the reference.

    Attributes:
        center: the mean.
        spread: the standard deviation, above 0.
    """

    center: float
    spread: float

    @classmethod
    def of(cls, values: Floats) -> Self | None:
        """The scale of finite values; None where they are all the same, or span too much."""
        if not len(values) or values.min() == values.max():
            return None
        with np.errstate(all="ignore"):
            center, spread = values.mean(), values.std()
            usable = np.isfinite([center, spread, 1 / (spread * UNIT)]).all()
        return cls(float(center), float(spread)) if usable else None

    def fixed(self, values: Floats) -> Floats:
        """Distance from the center, in whole numbers of `UNIT`; NaN where the value is NaN."""
        with np.errstate(over="ignore"):
            distance = values - self.center
            distance *= 1 / (self.spread * UNIT)
        np.clip(distance, -FARTHEST / UNIT, FARTHEST / UNIT, out=distance)
        return np.rint(distance, out=distance)
