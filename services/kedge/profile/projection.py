"""How well a row's numbers fit together: what is lost when principal components describe it.

The multivariate check of NannyML: components are fitted on the standardised reference and the
reconstruction error of a row is the distance of its numbers from their projection. It grows when
relations between features break, though each by itself looks as before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.contracts import Record
from kedge.contracts.predictions import Floats
from kedge.profile.products import product
from kedge.profile.scale import UNIT, settled

MOST_FEATURES = 100
"""Numeric features that are looked at, the first in the signature; the others are not."""

EXPLAINED = 0.65
"""Share of the variance that the components have to explain; NannyML's."""

RESOLUTION = 0.02
"""Standard deviations to which an error near 0 is known: its square comes from rounded numbers."""

_DIRECTION_UNIT = 2.0**-16


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Principal components of the numeric features.

    Attributes:
        directions: float64 `[features, components]`, of unit length, in whole numbers of 2**-16.
        mean: of the rows' errors in the reference, in standard deviations of the features.
        spread: their standard deviation, `RESOLUTION` at least.
    """

    directions: Floats
    mean: float
    spread: float

    @classmethod
    def of(cls, distances: Floats) -> Self | None:
        """Fitted on a reference; None for fewer than two features, or no rows.

        Args:
            distances: `[features, rows]`, in fixed point; 0, the mean, where a value is missing.
        """
        features, rows = distances.shape
        if features < 2 or not rows:  # noqa: PLR2004 - one feature has no relation to another
            return None
        variances, directions = np.linalg.eigh(distances @ distances.T * (UNIT**2 / rows))
        variances, directions = variances[::-1], directions[:, ::-1]
        explained = np.cumsum(variances) / variances.sum()
        wanted = min(int(np.searchsorted(explained, EXPLAINED)) + 1, features - 1)
        fitted = cls(np.rint(directions[:, :wanted] / _DIRECTION_UNIT), 0.0, 0.0)
        errors = fitted.errors(distances) * UNIT
        mean, spread = settled([errors.mean(), max(errors.std(), RESOLUTION)])
        return cls(fitted.directions, float(mean), float(spread))

    @property
    def features(self) -> int:
        return len(self.directions)

    def errors(self, distances: Floats) -> Floats:
        """The reconstruction error of each row, `[rows]`, in whole numbers of `UNIT`.

        Args:
            distances: `[features, rows]`, as in `of`.
        """
        # Squares of whole numbers add up exactly, so a row's error does not depend on the order of
        # a matrix product. Of orthogonal directions, the loss is a difference of squares.
        scores = product(self.directions.T, distances)
        scores *= _DIRECTION_UNIT
        np.rint(scores, out=scores)
        lost: Floats = np.einsum("ij,ij->j", distances, distances)
        lost -= np.einsum("ij,ij->j", scores, scores)
        np.maximum(lost, 0, out=lost)
        np.sqrt(lost, out=lost)
        return np.rint(lost, out=lost)

    def to_record(self) -> Record:
        """As in the `release_event` contract."""
        return {
            "directions": self.directions.T.astype(np.int64).tolist(),
            "mean": self.mean,
            "spread": self.spread,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            np.array(record["directions"], np.float64).T.copy(), record["mean"], record["spread"]
        )
