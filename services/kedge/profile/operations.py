"""How long inferences took and how they failed, in a form that can be added up.

Latencies are counted on fixed bins whose width grows with the value, as in DDSketch (Masson, Rim
and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees",
PVLDB 12(12), 2019, section 2). The bins are the same everywhere, so adding loses nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Record
from kedge.contracts.predictions import Ints

RELATIVE_ERROR = 0.02
"""Of a quantile, at most: it is off by less than 2 % of the exact one."""

OTHER = "other"
"""Stands for the types of errors beyond `MOST_TYPES`."""

MOST_TYPES = 50

_GROWTH = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_SHORTEST_MS, _LONGEST_MS = 1e-6, 1e9
_ZERO_BIN = math.floor(math.log(_SHORTEST_MS) / math.log(_GROWTH))
_BINS = math.ceil(math.log(_LONGEST_MS) / math.log(_GROWTH)) - _ZERO_BIN + 1
_LONGEST_TYPE = 200


@dataclass(frozen=True, slots=True)
class Operations:
    """Latencies and errors of some predictions; `a + b` is that of both.

    Attributes:
        latencies: how many were in each bin. Bin i holds (g^(i-1), g^i] milliseconds, with
            g = 1.02 / 0.98; the lowest bin all that is below a nanosecond, 0 too.
        unusable: latencies that can't be: negative, infinite, or more than 11 days.
        errors: inferences that raised, by the error's type. At most `MOST_TYPES`, the first in
            alphabetical order: this choice is the same in whatever order profiles are added. The
            rest is counted under `OTHER`.
    """

    latencies: Mapping[int, int] = field(default_factory=dict)
    unusable: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def of_all(cls, parts: Iterable[Operations]) -> Operations:
        """The sum: the same as by `+`, and quicker for many."""
        parts = tuple(parts)
        errors: Counter[str] = Counter()
        for part in parts:
            errors.update(part.errors)
        return cls(
            _added([part.latencies for part in parts]),
            sum(part.unusable for part in parts),
            _bounded(errors),
        )

    def __add__(self, other: Operations) -> Operations:
        return Operations.of_all((self, other))

    @property
    def timed(self) -> int:
        """Predictions with a latency."""
        return sum(self.latencies.values())

    def quantile(self, q: float) -> float | None:
        """Milliseconds that a share `q` of the latencies does not exceed; None without latencies.

        Within `RELATIVE_ERROR` of the value at rank ⌊q(n - 1)⌋, counted from 0 (NumPy's "lower").
        """
        rank = math.floor(q * (self.timed - 1))
        for index, count in sorted(self.latencies.items()):
            rank -= count
            if rank < 0:
                return 0.0 if index == _ZERO_BIN else 2 * _GROWTH**index / (_GROWTH + 1)
        return None

    def to_record(self) -> Record:
        """As in the `profile` contract."""
        bins = sorted(self.latencies)
        return {
            "latency_bins": bins,
            "latency_counts": [self.latencies[index] for index in bins],
            "latencies_unusable": self.unusable,
            "errors": dict(sorted(self.errors.items())),
        }

    @classmethod
    def from_record(cls, record: Record | None) -> Operations:
        """What `to_record` gave; nothing is known where there is none.

        Raises:
            ValueError: there is not one count for each bin.
        """
        if record is None:
            return cls()
        latencies = zip(record["latency_bins"], record["latency_counts"], strict=True)
        return cls(dict(latencies), record["latencies_unusable"], record["errors"])


def count_operations(
    latencies_ms: NDArray[np.float32], errors: Mapping[int, str], index: Ints, windows: int
) -> list[Operations]:
    """Latencies and errors of each window.

    Args:
        latencies_ms: `[rows]`, NaN where not known.
        errors: type of the exception by row, for inferences that raised.
        index: `[rows]`, which window a row is in.
        windows: how many there are.
    """
    milliseconds = latencies_ms.astype(np.float64)
    usable = (milliseconds >= 0) & (milliseconds <= _LONGEST_MS)
    unusable = np.bincount(index[~usable & ~np.isnan(milliseconds)], minlength=windows)
    bins = np.ceil(np.log(np.maximum(milliseconds[usable], _SHORTEST_MS)) / math.log(_GROWTH))
    bins[milliseconds[usable] < _SHORTEST_MS] = _ZERO_BIN
    cells = index[usable] * _BINS + bins.astype(np.int64) - _ZERO_BIN
    latencies: list[dict[int, int]] = [{} for _ in range(windows)]
    distinct, counts = np.unique(cells, return_counts=True)
    for cell, count in zip(distinct.tolist(), counts.tolist(), strict=True):
        latencies[cell // _BINS][cell % _BINS + _ZERO_BIN] = count
    types: list[Counter[str]] = [Counter() for _ in range(windows)]
    for row, error in errors.items():
        types[index[row]][error[:_LONGEST_TYPE]] += 1
    return [Operations(latencies[w], int(unusable[w]), _bounded(types[w])) for w in range(windows)]


def _added(parts: Sequence[Mapping[int, int]]) -> dict[int, int]:
    bins = np.fromiter(chain.from_iterable(parts), np.int64)
    if not len(bins):
        return {}
    counts = np.fromiter(chain.from_iterable(part.values() for part in parts), np.int64)
    lowest = int(bins.min())
    # The sums are exact below 2^53.
    totals = np.bincount(bins - lowest, counts).astype(np.int64)
    there = np.flatnonzero(totals)
    return dict(zip((there + lowest).tolist(), totals[there].tolist(), strict=True))


def _bounded(errors: Counter[str]) -> dict[str, int]:
    types = sorted(errors.keys() - {OTHER})
    kept = {error: errors[error] for error in types[:MOST_TYPES]}
    if rest := errors[OTHER] + sum(errors[error] for error in types[MOST_TYPES:]):
        kept[OTHER] = rest
    return kept
