"""The unit of numbers: standard deviations of the reference, in fixed point.

Sums over rows are kept as whole numbers, so they come out the same in whatever order rows, messages
and profiles are added, and equal profiles are equal exactly.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from kedge.contracts.predictions import Floats

UNIT = 2.0**-13
"""What a fixed-point number counts, in standard deviations. Each row's value is rounded to it."""

FARTHEST = 1024.0
"""Standard deviations from the mean at which a value is taken to be, when it is farther out.

So no value of one row outweighs all others, and whole numbers stay below the 2**53 up to which
float64 adds them exactly: a billion of the farthest values, or the squares of a hundred.
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
            center, spread = settled([values.mean(), values.std()])
            usable = np.isfinite([center, spread, 1 / (spread * UNIT)]).all()
        return cls(float(center), float(spread)) if usable else None


def fixed(values: Floats, centers: Floats | float, spreads: Floats | float) -> Floats:
    """Distances from the centers, in whole numbers of `UNIT`; NaN where the value is NaN."""
    with np.errstate(over="ignore"):
        distances: Floats = values - centers
        distances *= 1 / (spreads * UNIT)
    np.maximum(distances, -FARTHEST / UNIT, out=distances)
    np.minimum(distances, FARTHEST / UNIT, out=distances)
    np.rint(distances, out=distances)
    return distances


def settled(values: Iterable[float]) -> Floats:
    """Numbers without the digits in which machines that add in another order differ.

    They go into the content address of a model version.
    """
    # Nor does it matter on which side of zero a zero is.
    return np.array([float(f"{value:.12g}") for value in values]) + 0.0
