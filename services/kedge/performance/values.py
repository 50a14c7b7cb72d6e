"""Outputs and truths as numbers, labels and classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from kedge.contracts import Column
from kedge.contracts.predictions import Floats, Ints, State

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


def numbers_of_columns(columns: Sequence[Column], rows: int) -> Floats:
    """float64 `[rows]`; NaN where none of the columns, which have one name, has a number."""
    found = np.full(rows, math.nan)
    for column in columns:
        if column.type == "number" and column.values.ndim == 1:
            np.copyto(found, column.values, where=column.states == State.VALUE)
    return found


def scores(values: Sequence[Any]) -> Floats:
    """float64 `[rows]`, from 0 to 1; NaN where there is no such number."""
    return within_0_and_1(numbers(values))


def within_0_and_1(values: Floats) -> Floats:
    """The numbers; NaN where one is not from 0 to 1."""
    return np.where((values >= 0) & (values <= 1), values, math.nan)


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
