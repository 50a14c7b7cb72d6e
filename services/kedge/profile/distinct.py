"""How many categories of a column there were, by a HyperLogLog sketch.

Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog: the analysis of a near-optimal cardinality
estimation algorithm", AofA 2007. Registers of two samples merge by their maximum, so the sketch of
both is exactly that of all values, in whatever order they came.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column
from kedge.contracts.predictions import Ints, State
from kedge.profile.bins import as_text

Registers = NDArray[np.uint8]

_INDEX_BITS = 10
REGISTERS = 2**_INDEX_BITS
STANDARD_ERROR = 1.04 / math.sqrt(REGISTERS)
"""Of the estimate, relative; Flajolet et al. 2007, theorem 1."""

# Bits behind the index in which zeros are counted: as many as float64 holds exactly.
_RANK_BITS = 53


def no_registers(columns: int = 0) -> Registers:
    """Of columns that nothing was seen of, `[columns, REGISTERS]`."""
    return np.zeros((columns, REGISTERS), np.uint8)


def registers_from(written: Iterable[bytes]) -> Registers:
    """As their bytes say, `[columns, REGISTERS]`.

    Raises:
        ValueError: they are of another length.
    """
    return np.frombuffer(b"".join(written), np.uint8).reshape(-1, REGISTERS)


def registers_of(columns: Sequence[Sequence[Column]], index: Ints, windows: int) -> Registers:
    """The registers of each window, `[windows, columns, REGISTERS]`.

    Args:
        columns: of each, all parts that have its name, of the same number of rows.
        index: `[rows]`, the window of each row, from 0.
        windows: how many there are.
    """
    registers = np.zeros((windows, len(columns), REGISTERS), np.uint8)
    for at, parts in enumerate(columns):
        for part in parts:
            if part.values.ndim > 1:
                continue
            texts, codes = as_text(part)
            places, ranks = _hashed(texts)
            rows = np.flatnonzero(part.states == State.VALUE)
            mine = codes[rows]
            np.maximum.at(registers[:, at], (index[rows], places[mine]), ranks[mine])
    return registers


def _hashed(texts: Sequence[str]) -> tuple[Ints, Registers]:
    """The register of each text, and what it has to be there at least; 0 for the empty text."""
    digests = b"".join(blake2b(text.encode(), digest_size=8).digest() for text in texts)
    hashes = np.frombuffer(digests, ">u8")
    rest = (hashes >> np.uint64(64 - _INDEX_BITS - _RANK_BITS)) & np.uint64(2**_RANK_BITS - 1)
    # The exponent is the number of bits from the highest that is set.
    ranks = (_RANK_BITS + 1 - np.frexp(rest.astype(np.float64))[1]).astype(np.uint8)
    ranks[[not text for text in texts]] = 0
    return (hashes >> np.uint64(64 - _INDEX_BITS)).astype(np.int64), ranks


def estimate(registers: Registers) -> float:
    """How many distinct values there were, without bias for few and for many of them.

    Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv 1702.01284,
    algorithm 6. Heule et al. (EDBT 2013) correct the bias by measured tables; this needs none.
    """
    counts = np.bincount(registers, minlength=_RANK_BITS + 2)
    sum_ = REGISTERS * _tau(1 - counts[-1] / REGISTERS)
    for count in counts[-2:0:-1].tolist():
        sum_ = (sum_ + count) / 2
    sum_ += REGISTERS * _sigma(counts[0] / REGISTERS)
    return float(REGISTERS**2 / (2 * math.log(2) * sum_))


def _sigma(x: float) -> float:
    """Add up x + Σ x^(2^k) 2^(k−1), for registers that nothing has come to."""
    if x == 1:
        return math.inf
    weight, sum_, before = 1.0, x, -1.0
    while sum_ != before:
        x, before = x * x, sum_
        sum_ += x * weight
        weight *= 2
    return sum_


def _tau(x: float) -> float:
    """Add up (1 − x − Σ (1 − x^(2^−k))² 2^(−k)) / 3, for registers that are full."""
    if x in (0, 1):
        return 0.0
    weight, sum_, before = 1.0, 1 - x, -1.0
    while sum_ != before:
        x, before = math.sqrt(x), sum_
        weight /= 2
        sum_ -= (1 - x) ** 2 * weight
    return sum_ / 3
