"""What an estimator expects of predictions before their truth comes, as sums that can be added.

An estimator gives whole numbers for each row. So the sum over rows is the same in whatever order
rows, messages and profiles are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from kedge.contracts import Column, Record, Role
from kedge.contracts.predictions import Floats, Ints


class Amounts(NamedTuple):
    """What rows add to an `Expectation`, any number of places a row.

    Attributes:
        places: int64 `[places, rows]`, from 0.
        amounts: float64 `[places, rows]`, whole numbers; the sum over the rows of a message has to
            stay below 2**53, up to which float64 adds them exactly.
    """

    places: Ints
    amounts: Floats


class Estimator(Protocol):
    """Estimates the performance of one model version without labels.

    Attributes:
        length: of its expectations: places are below.
    """

    @property
    def length(self) -> int: ...

    def amounts(
        self, named: Mapping[tuple[Role, str], Sequence[Column]], cells: Sequence[Ints]
    ) -> Amounts:
        """What some rows add.

        Args:
            named: features and outputs by role and name, as in `counting`.
            cells: for each column of the reference `[rows]`, see `cells_of`.
        """
        ...


def _nothing() -> Ints:
    return np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """Sums of what an estimator expects; `a + b` is that of both, `a - b` takes out what was added.

    Attributes:
        places: int64, ascending, of the sums that are not 0. The estimator says what they are of.
        sums: int64, one for each.
    """

    places: Ints = field(default_factory=_nothing)
    sums: Ints = field(default_factory=_nothing)

    @classmethod
    def of_rows(cls, added: Amounts) -> Self:
        """The sum over rows."""
        places, amounts = (part.ravel() for part in added)
        return cls._of_dense(np.bincount(places, amounts).astype(np.int64))

    @classmethod
    def of_all(cls, parts: Iterable[Expectation]) -> Self:
        """The sum: the same as by `+`, and quicker for many."""
        parts = tuple(parts)
        total = np.zeros(max((part.length for part in parts), default=0), np.int64)
        for part in parts:
            total[part.places] += part.sums
        return cls._of_dense(total)

    @classmethod
    def _of_dense(cls, sums: Ints) -> Self:
        there = np.flatnonzero(sums)
        return cls(there, sums[there])

    @property
    def length(self) -> int:
        """Of the shortest `dense` that holds all."""
        return int(self.places[-1]) + 1 if len(self.places) else 0

    def dense(self, length: int) -> Ints:
        """All sums, int64 `[length]`."""
        sums = np.zeros(length, np.int64)
        sums[self.places] = self.sums
        return sums

    def __add__(self, other: Expectation) -> Expectation:
        return Expectation.of_all((self, other))

    def __sub__(self, other: Expectation) -> Expectation:
        return Expectation.of_all((self, Expectation(other.places, -other.sums)))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Expectation)
            and np.array_equal(self.places, other.places)
            and np.array_equal(self.sums, other.sums)
        )

    __hash__ = None  # type: ignore[assignment]

    def to_record(self) -> Record:
        """As in the `profile` contract."""
        return {"places": self.places.tolist(), "sums": self.sums.tolist()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any] | None) -> Self:
        """What `to_record` gave; nothing is expected where there is none.

        Raises:
            ValueError: there is not one sum for each place, or they don't ascend from 0.
        """
        if record is None:
            return cls()
        places, sums = (np.array(record[name], np.int64) for name in ("places", "sums"))
        if len(places) != len(sums) or (np.diff(places, prepend=-1) <= 0).any():
            raise ValueError(
                f"an expectation has {len(sums)} sums for {len(places)} places, which have to "
                "ascend from 0"
            )
        return cls(places, sums)


def expectations(added: Amounts, index: Ints, windows: int) -> list[Expectation]:
    """The expectation of each of some windows.

    Args:
        added: by the rows.
        index: `[rows]`, the window of each row, from 0.
        windows: how many there are.
    """
    if windows == 1:
        return [Expectation.of_rows(added)]
    order = np.argsort(index, kind="stable")
    ends = np.searchsorted(index[order], np.arange(1, windows))
    return [
        Expectation.of_rows(Amounts(added.places[:, rows], added.amounts[:, rows]))
        for rows in np.split(order, ends)
    ]
