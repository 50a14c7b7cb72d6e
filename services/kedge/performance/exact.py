"""Sums of floats without rounding: the order does not matter, and what was added can be taken out.

Every finite float64 is a whole number of times 2**-1074, so a sum of them is a Python integer in
that unit. Addition and subtraction of such sums are those of integers.
"""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Floats, Ints

_UNIT = 1074
_MANTISSA = 53
_LOW = 27
# The square of a smaller number has digits below the unit.
_SMALLEST_SQUARED = 1e-140
# Half a mantissa each, so many rows still add up below 2**53, where floats count exactly.
_MOST_ROWS = 1 << 25


def exact_sum(values: Floats) -> int:
    """The sum of float64 `[rows]`, all finite, in units of 2**-1074."""
    return exact_sums(values, np.zeros(len(values), np.int64), 1)[0]


def exact_sums(values: Floats, groups: Ints, count: int) -> list[int]:
    """For each of `count` groups the sum of its values, in units of 2**-1074.

    Args:
        values: float64 `[rows]`, all finite.
        groups: int64 `[rows]`, the group of each, from 0.
        count: number of groups.
    """
    sums = [0] * count
    for start in range(0, len(values), _MOST_ROWS):
        part = slice(start, start + _MOST_ROWS)
        fractions, exponents = np.frexp(values[part])
        mantissas = np.ldexp(fractions, _MANTISSA).astype(np.int64)
        shifts = exponents.astype(np.int64) - _MANTISSA + _UNIT
        # A group and an exponent each: their mantissas add up as integers.
        cells, cell = np.unique(groups[part] * (1 << 12) + shifts + 64, return_inverse=True)
        highs = np.bincount(cell, mantissas >> _LOW, len(cells))
        lows = np.bincount(cell, mantissas & ((1 << _LOW) - 1), len(cells))
        for key, high, low in zip(cells.tolist(), highs.tolist(), lows.tolist(), strict=True):
            group, shift = key >> 12, (key & 0xFFF) - 64
            total = (int(high) << _LOW) + int(low)
            # Below zero for the denormals only, whose last bits are zero.
            sums[group] += total << shift if shift >= 0 else total >> -shift
    return sums


def exact_squares(values: Floats) -> Floats:
    """Floats `[2 · rows]` whose exact sum is that of the squares.

    A square has twice the digits of a float. This gives it as two floats: the rounded square, and
    what rounding took (Dekker, "A floating-point technique for extending the available precision",
    1971). Exact for magnitudes up to 1e150; those below 1e-140 count as zero.
    """
    values = np.where(np.abs(values) < _SMALLEST_SQUARED, 0, values)
    scaled = values * ((1 << _LOW) + 1.0)
    high = scaled - (scaled - values)
    low = values - high
    squares = values * values
    return np.concatenate([squares, ((high * high - squares) + 2 * high * low) + low * low])


def whole(number: int) -> int:
    """A whole number as such a sum."""
    return number << _UNIT


def quotient(total: int, divisor: int) -> float:
    """A sum divided by a whole number, rounded once."""
    return total / whole(divisor)


def exact_text(total: int) -> str:
    """A short form of a sum, as text: `<hexadecimal digits>p<power of two>`.

    >>> exact_text(exact_sum(np.array([1.5, 1.0])))
    '5p-1'
    """
    zeros = (total & -total).bit_length() - 1 if total else _UNIT
    return f"{total >> zeros:x}p{zeros - _UNIT}"


def exact_from_text(text: str) -> int:
    """The sum that `exact_text` wrote.

    Raises:
        ValueError: it did not write this.
    """
    digits, _, power = text.partition("p")
    return int(digits, 16) << (int(power) + _UNIT)
