"""Profiles as one matrix, so that a rule over 50 features is one expression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kedge.profile import Profile, Reference


class Cells:
    """Counts `[columns, width]`: column by column, first the rows without a value, then the bins.

    Attributes:
        used: bool `[columns, width]`, which cells a column has; the others are always 0.
        numeric: bool `[columns]`, whether the bins have an order.
        reference: the reference's counts.
    """

    def __init__(self, reference: Reference) -> None:
        sizes = np.array([len(column.counts) for column in reference.columns])
        width = int(sizes.max()) + 1
        self.used = np.arange(width) <= sizes[:, None]
        self._bins = self.used.copy()
        self._bins[:, 0] = False
        self.numeric = np.array([column.spec.type == "numeric" for column in reference.columns])
        self.reference = self._of(
            [column.counts for column in reference.columns],
            np.array([column.missing for column in reference.columns]),
        )

    def of(self, profile: Profile) -> np.ndarray:
        return self._of(profile.counts, profile.missing)

    def _of(self, counts: Sequence[np.ndarray], missing: np.ndarray) -> np.ndarray:
        cells = np.zeros(self.used.shape)
        cells[self._bins] = np.concatenate(counts)
        cells[:, 0] = missing.sum(axis=1)
        return cells


def shares(counts: np.ndarray) -> np.ndarray:
    """Of the last axis; 0 where nothing was counted."""
    return counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
