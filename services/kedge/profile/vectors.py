"""Vectors of a fixed length, as embeddings are: their scale, and random features of them.

The mean of random features stands for the distribution: Rahimi and Recht, "Random Features for
Large-Scale Kernel Machines" (2007), approximate a Gaussian kernel by the products of cosines and
sines at random frequencies, so the distance of two means is the maximum mean discrepancy of Gretton
et al., "A Kernel Two-Sample Test" (2012). Means are sums, and sums are mergeable.

Vectors and frequencies are rounded to whole numbers whose products add up exactly in float64. So a
row has the same features by itself and in a batch, whatever the order of a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.profile.products import product
from kedge.profile.scale import UNIT, fixed, settled

FREQUENCIES = 32
"""Each gives a cosine and a sine: 64 random features."""

WAVE_UNIT = 2.0**-20
"""What a cosine or sine is rounded to."""

_FREQUENCY_UNIT = 2.0**-16
_NARROWEST = 0.1
_ROWS_COMPARED = 500


@dataclass(frozen=True, slots=True, eq=False)
class VectorScale:
    """Mean and standard deviation of each dimension in the reference, and a typical distance.

    Attributes:
        centers: float64 `[width]`.
        spreads: float64 `[width]`; 0 for a dimension that is constant: it is measured by itself.
        bandwidth: of the Gaussian kernel, in standard deviations.
        frequencies: float64 `[width, FREQUENCIES]`, whole numbers.
    """

    centers: Floats
    spreads: Floats
    bandwidth: float
    frequencies: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # RandomState, because its numbers are the same in every version of NumPy (NEP 19), and so
        # in every process that adds to one profile.
        random = np.random.RandomState(1729)
        normal = random.standard_normal((self.width, FREQUENCIES))
        frequencies = np.rint(normal / (self.bandwidth * _FREQUENCY_UNIT))
        object.__setattr__(self, "frequencies", frequencies)

    @property
    def width(self) -> int:
        return len(self.centers)

    @property
    def length(self) -> int:
        """Of what a profile keeps."""
        return self.width + 2 * FREQUENCIES

    @classmethod
    def of(cls, vectors: Floats) -> Self | None:
        """The scale of finite vectors `[rows, width]`; None without any, or if they span too much.

        The bandwidth is the median distance of two vectors, as Gretton et al. choose it, of 500
        evenly spaced rows at most.
        """
        if not vectors.size:
            return None
        with np.errstate(all="ignore"):
            centers, spreads = settled(vectors.mean(axis=0)), settled(vectors.std(axis=0))
            spreads[vectors.min(axis=0) == vectors.max(axis=0)] = 0
            usable = np.isfinite([centers, spreads, 1 / (_divisor(spreads) * UNIT)]).all()
        if not usable:
            return None
        some = fixed(vectors[:: -(-len(vectors) // _ROWS_COMPARED)], centers, _divisor(spreads))
        some *= UNIT
        squares = (some**2).sum(axis=1)
        distances = squares[:, None] + squares - 2 * some @ some.T
        between = distances[np.triu_indices(len(some), 1)]
        typical = float(np.sqrt(max(np.median(between), 0))) if len(between) else 0.0
        return cls(centers, spreads, float(f"{max(typical, _NARROWEST):.4g}"))

    def sums(self, vectors: Floats) -> Ints:
        """What a profile keeps of some vectors, `[length]`.

        First the sum of each dimension in `UNIT`, then the sums of the cosines and of the sines in
        `WAVE_UNIT`.
        """
        distances = fixed(vectors, self.centers, _divisor(self.spreads))
        phases = product(self.frequencies.T, distances.T)
        phases *= UNIT * _FREQUENCY_UNIT
        waves = np.concatenate([np.cos(phases), np.sin(phases)])
        waves = np.rint(waves / WAVE_UNIT)
        return np.concatenate([distances.sum(axis=0), waves.sum(axis=1)]).astype(np.int64)


def _divisor(spreads: Floats) -> Floats:
    return np.where(spreads > 0, spreads, 1.0)
