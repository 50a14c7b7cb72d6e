"""Which features are missing in one row: those of one upstream feed go missing together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Record
from kedge.contracts.predictions import Ints

MOST = 64
"""Patterns that are kept apart; the rows of the rarer ones are counted together."""

Pattern = tuple[int, ...]

# Of features whose bits are in one int64, with room for the numbers of the patterns before.
_BITS = 40


@dataclass(frozen=True, slots=True)
class Together:
    """Rows by the set of features that are missing in them.

    A feature is missing as in its missing rate, but for unseen categories: those came. With at most
    `MOST` patterns, `a + b` is what counting both gives, in any order. With more, which ones are
    kept may depend on the order; a pattern's true number of rows is always from its count here to
    that and `other`.

    Attributes:
        patterns: rows by the features that are missing, as ascending positions in the reference;
            rows with none are left out.
        other: rows with a pattern that is not kept.
    """

    patterns: Mapping[Pattern, int] = field(default_factory=dict)
    other: int = 0

    @classmethod
    def of_all(cls, parts: Iterable[Together]) -> Self:
        """The sum of any number of them, pruned once."""
        total: Counter[Pattern] = Counter()
        other = 0
        for part in parts:
            total.update(part.patterns)
            other += part.other
        if len(total) <= MOST:
            return cls(dict(total), other)
        # Ties by the pattern, so that the same rows give the same patterns.
        ranked = sorted(total.items(), key=lambda item: (-item[1], item[0]))
        return cls(dict(ranked[:MOST]), other + sum(rows for _, rows in ranked[MOST:]))

    def __add__(self, other: Together) -> Together:
        return Together.of_all((self, other))

    @property
    def features(self) -> frozenset[int]:
        """Positions of the features that are missing in any pattern."""
        return frozenset().union(*self.patterns)

    def rows_missing_all(self, features: Iterable[int]) -> int:
        """Rows in which all of these are missing, as far as patterns are kept."""
        wanted = set(features)
        return sum(rows for pattern, rows in self.patterns.items() if wanted.issubset(pattern))

    def rows_missing_any(self, features: Iterable[int]) -> int:
        """Rows in which one of these is missing, as far as patterns are kept."""
        wanted = set(features)
        return sum(rows for pattern, rows in self.patterns.items() if wanted.intersection(pattern))

    def to_record(self) -> Record:
        """As in the contracts: the order does not depend on how it came about."""
        return {
            "patterns": [
                {"columns": list(pattern), "rows": rows}
                for pattern, rows in sorted(self.patterns.items())
            ],
            "other": self.other,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        return cls(
            {tuple(each["columns"]): each["rows"] for each in record["patterns"]}, record["other"]
        )


def count_together(
    missing: Sequence[tuple[int, NDArray[np.bool_]]], index: Ints, windows: int
) -> list[Together]:
    """The patterns of each of some windows.

    Args:
        missing: positions of the features that are missing anywhere, ascending, and for each
            `[rows]`, where.
        index: `[rows]`, the window of each row, from 0.
        windows: how many there are.
    """
    if not missing:
        return [Together()] * windows
    keys, touched = np.zeros(len(index), np.int64), np.zeros(len(index), bool)
    for number, (_, where) in enumerate(missing):
        bit = number % _BITS
        if number and not bit:
            _, keys = np.unique(keys, return_inverse=True)
            keys <<= _BITS
        keys += np.left_shift(where, bit, dtype=np.int64)
        touched |= where
    rows = np.flatnonzero(touched)
    if windows > 1:
        _, keys = np.unique(keys, return_inverse=True)
        keys = keys * windows + index
    _, first, counts = np.unique(keys[rows], return_index=True, return_counts=True)
    found: list[dict[Pattern, int]] = [{} for _ in range(windows)]
    for row, count in zip(rows[first].tolist(), counts.tolist(), strict=True):
        pattern = tuple(position for position, where in missing if where[row])
        found[index[row]][pattern] = count
    return [Together.of_all([Together(patterns)]) for patterns in found]
