"""The cells of a release: each question on each column, as one padded array of counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.predictions import Floats, Ints
from kedge.profile import Missing, Profile, Reference

Mask = NDArray[np.bool_]

QUESTIONS = ("missing", "values")

# Bins of a number in which a parabola can be told from all else.
_FEWEST = 4
# Of the row that is thought to have been seen before all others, how much had no value.
_GOES_MISSING = 0.02


class Cells:
    """Where the counts of a profile stand in `[cells, bins]`, padded with zeros.

    A column has two cells. *Missing*: rows with a usable value, then rows without one by each of
    the eight kinds. *Values*: rows by bin; a categorical column has one bin more, for unseen
    categories. A column with one bin, such as a vector, has only the first.

    Attributes:
        columns: for each cell, the index of its column.
        questions: for each cell, the index of its question.
        sizes: for each cell, its bins.
        bins: the most that a cell has.
        numbers: the cells whose bins have an order, and are enough to move along it.
    """

    def __init__(self, reference: Reference) -> None:
        self._values = [
            index for index, column in enumerate(reference.columns) if len(column.bins) > 1
        ]
        self._unseen = [
            index for index in self._values if reference.columns[index].spec.type == "categorical"
        ]
        of_missing = len(reference.columns)
        self.columns = np.array([*range(of_missing), *self._values], np.int64)
        self.questions = np.repeat([0, 1], [of_missing, len(self._values)])
        lengths = [
            len(reference.columns[index].bins) + (index in self._unseen) for index in self._values
        ]
        self.sizes = np.array([1 + len(Missing)] * of_missing + lengths, np.int64)
        self.bins = int(self.sizes.max(initial=1))
        self.numbers = np.array(
            [
                of_missing + row
                for row, index in enumerate(self._values)
                if reference.columns[index].spec.type == "numeric"
                and len(reference.columns[index].bins) >= _FEWEST
            ],
            np.int64,
        )
        widths = [len(column.bins) for column in reference.columns]
        # Where each column begins in the concatenated counts of all, which of these are values, and
        # where those go in the flat array of cells.
        self._first = np.cumsum([0, *widths[:-1]])
        self._of_values = np.flatnonzero(np.repeat(np.array(widths) > 1, widths))
        row_of = {index: of_missing + row for row, index in enumerate(self._values)}
        self._flat = np.concatenate(
            [np.empty(0, np.int64)]
            + [
                row_of[index] * self.bins + np.arange(len(reference.columns[index].bins))
                for index in self._values
            ]
        )
        self._flat_unseen = np.array(
            [
                row_of[index] * self.bins + len(reference.columns[index].bins)
                for index in self._unseen
            ],
            np.int64,
        )

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> list[tuple[int, int]]:
        """For each cell, the indices of its column and of its question."""
        return list(zip(self.columns.tolist(), self.questions.tolist(), strict=True))

    @property
    def mask(self) -> Mask:
        """`[cells, bins]`, false where there is only padding."""
        return np.arange(self.bins) < self.sizes[:, None]

    def without_data(self) -> Floats:
        """The null's counts before any are seen, `[cells, bins]`: a row, so that all is possible.

        Values: spread evenly (Perks). Missing: a column that never lacked one of N values will
        probably never; that one will of the next n has a probability of about 0.02 n/N.
        """
        row = self.mask / self.sizes[:, None]
        row[self.questions == 0, : 1 + len(Missing)] = [
            1 - _GOES_MISSING,
            *[_GOES_MISSING / len(Missing)] * len(Missing),
        ]
        return np.asarray(row)

    def of_reference(self, reference: Reference) -> Floats:
        """The reference's counts, `[cells, bins]`."""
        columns = reference.columns
        return self._arranged(
            [column.counts for column in columns],
            np.array([column.missing for column in columns], np.int64).reshape(-1, len(Missing)),
        )

    def of_profile(self, profile: Profile) -> Floats:
        """A window's counts, `[cells, bins]`."""
        return self._arranged(profile.counts, profile.missing)

    def _arranged(self, counts: tuple[Ints, ...] | list[Ints], missing: Ints) -> Floats:
        cells = np.zeros((len(self), self.bins))
        every = np.concatenate([np.empty(0, np.int64), *counts])
        usable = np.add.reduceat(every, self._first) if len(counts) else every
        cells[: len(usable), 0] = usable
        cells[: len(usable), 1 : 1 + len(Missing)] = missing
        flat = cells.reshape(-1)
        if self._values:
            flat[self._flat] = every[self._of_values]
            flat[self._flat_unseen] = missing[self._unseen, Missing.UNSEEN]
        return cells
