"""Outputs and truths as numbers, labels and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kedge.contracts.predictions import Floats, Ints

UNUSABLE = -1
# Beyond it, the square of a number or of an error is no finite float.
_LARGEST = 1e150


def numbers(values: Sequence[Any]) -> Floats:
    """float64 `[rows]`; NaN where there is no number, or one beyond 1e150."""
    found = np.array(
        [
            float(value)
            if isinstance(value, int | float) and not isinstance(value, bool)
            else math.nan
            for value in values
        ],
        np.float64,
    )
    found[~(np.abs(found) <= _LARGEST)] = math.nan
    return found


def scores(values: Sequence[Any]) -> Floats:
    """float64 `[rows]`, from 0 to 1; NaN where there is no such number."""
    found = numbers(values)
    found[~((found >= 0) & (found <= 1))] = math.nan
    return found


def labels(values: Sequence[Any], positive: str) -> Ints:
    """int64 `[rows]`: 1 for True, 1 and the text `positive`; 0 for False, 0 and any other text.

    Nulls, empty texts, other numbers and vectors are `UNUSABLE`.
    """
    return np.array([_label(value, positive) for value in values], np.int64)


def _label(value: Any, positive: str) -> int:
    if isinstance(value, str):
        return int(value == positive) if value else UNUSABLE
    if isinstance(value, int | float) and value in (0, 1):
        return int(value)
    return UNUSABLE


def class_text(value: Any) -> str | None:
    """A class as the reference's categories write it; None where the value is no class."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value or None
    if isinstance(value, int | float) and value == value:  # noqa: PLR0124 - NaN alone differs
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    return None
