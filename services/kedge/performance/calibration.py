"""What a score means: the share of positives among rows with it, from rows whose truth is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.optimize import isotonic_regression

from kedge.contracts import Record
from kedge.contracts.predictions import Floats, Ints
from kedge.profile.scale import settled


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A function of the score that never falls, linear between its knots and flat outside them.

    Attributes:
        scores: float64 `[knots]`, ascending.
        probabilities: float64 `[knots]`, of the positive class.
    """

    scores: Floats
    probabilities: Floats

    @classmethod
    def fit(cls, scores: Floats, labels: Ints) -> Self:
        """The least-squares fit to the labels among the functions that never fall.

        Isotonic regression, by pooling adjacent violators (Barlow et al., "Statistical Inference
        under Order Restrictions", 1972), with a line between the scores that were seen.

        Args:
            scores: float64 `[rows]`, from 0 to 1.
            labels: int64 `[rows]`, 0 or 1.

        Raises:
            ValueError: there are no rows.
        """
        if not len(scores):
            raise ValueError("scores can't be calibrated without a row that has score and truth")
        distinct, index, rows = np.unique(scores, return_inverse=True, return_counts=True)
        shares = np.bincount(index, labels) / rows
        fitted = isotonic_regression(shares, weights=rows.astype(np.float64)).x
        # Of each level its ends say all.
        level = np.diff(fitted) == 0
        needed = ~(np.append(level, False) & np.insert(level, 0, False))
        return cls(distinct[needed], settled(np.clip(fitted[needed], 0, 1)))

    def __call__(self, scores: Floats) -> Floats:
        """The probability of the positive class, float64 `[rows]`, for each score."""
        return np.interp(scores, self.scores, self.probabilities)

    def to_record(self, output: str) -> Record:
        """As in the `release_event` contract.

        Args:
            output: that is the score.
        """
        return {
            "output": output,
            "scores": self.scores.tolist(),
            "probabilities": self.probabilities.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """What `to_record` gave."""
        return cls(np.array(record["scores"]), np.array(record["probabilities"]))
