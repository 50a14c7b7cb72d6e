"""Any Python value as one that a message can hold.

| what comes | what is kept |
|---|---|
| None, pandas' NA and NaT, NumPy's NaT | null |
| bool, int, float, NumPy's and their subclasses | the number or truth value; NaN stays NaN |
| an int beyond the floats | an infinity, which counts as out of range |
| str and its subclasses | the text, cut at `LONGEST_TEXT` characters |
| list, tuple or 1-d array of numbers (None among them is NaN) | a vector |
| date, time, timedelta, Decimal, Fraction, UUID | text, as `str()` writes it |
| anything else | text: the name of its type in angle brackets |

So what is no null, truth value, number, string or vector becomes text, and counts as wrong type
where a number is due. Of unknown types only the name is kept: their own `__str__` would be foreign
code with an answer of any size.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
import sys
import uuid
from typing import Any, Final

import numpy as np

LONGEST_TEXT = 1024


class _Absent:
    """Type of `ABSENT`."""

    __slots__ = ()


ABSENT: Final = _Absent()
"""Stands in a column where a row's record does not have the key."""

_LARGEST = int(sys.float_info.max)
_AS_THEY_ARE = frozenset({float, bool, type(None), _Absent})
_INTEGERS = frozenset({int})
_TEXTS = frozenset({str})
_WRITTEN = (
    dt.time,
    dt.timedelta,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
)
# A metaclass may hide the name of its classes behind code of its own.
_name_of = type.__dict__["__name__"].__get__


def plain(value: Any) -> Any:
    """`value` as None, bool, int, float, str, or a vector: a list of floats or a 1-d array.

    Never raises.
    """
    kind = type(value)
    if kind is float or kind is bool or value is None:
        return value
    if kind is str:
        return _text(value)
    if kind is int:
        return value if -_LARGEST <= value <= _LARGEST else math.inf if value > 0 else -math.inf
    try:
        return _unusual(value, kind)
    except Exception:  # noqa: BLE001 - the value's own code may raise anything
        return _text(f"<{_name_of(kind)}>")


def plain_name(key: Any) -> str:
    """A key of a record, or an id, as text; what is no string is written as `plain` has it."""
    known = plain(key)
    return known if isinstance(known, str) else _text(str(known))


def plain_cells(cells: list[Any]) -> list[Any]:
    """`plain` of a whole column, `ABSENT` left alone; the list itself where nothing changes."""
    try:
        rest = frozenset(map(type, cells)) - _AS_THEY_ARE
        if (
            not rest
            or (rest == _INTEGERS and all(_fits(cell) for cell in cells if type(cell) is int))
            or (rest == _TEXTS and all(_clean(cell) for cell in set(cells) if type(cell) is str))
        ):
            return cells
    except TypeError:
        # A metaclass without a hash: one by one, then.
        pass
    return [cell if cell is ABSENT else plain(cell) for cell in cells]


def _fits(number: int) -> bool:
    return -_LARGEST <= number <= _LARGEST


def _clean(text: str) -> bool:
    return text.isascii() and len(text) <= LONGEST_TEXT


def _text(text: str) -> str:
    cut = text[:LONGEST_TEXT]
    # Lone surrogates, as os.fsdecode makes them, are no UTF-8.
    return cut if cut.isascii() else cut.encode("utf-8", "replace").decode()


def _unusual(value: Any, kind: type) -> Any:
    # Everything by `issubclass` and the base's own methods: `isinstance` and the value's methods
    # would run foreign code.
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, int):
        return plain(int.__int__(value))
    if issubclass(kind, str):
        return _text(str.__str__(value))
    if issubclass(kind, np.bool_):
        return bool(value)
    if issubclass(kind, np.integer):
        return int(value)
    if issubclass(kind, np.floating):
        return float(value)
    if issubclass(kind, np.ndarray):
        return _array(value, kind)
    if issubclass(kind, list | tuple):
        return _vector(list(value), kind)
    if issubclass(kind, np.datetime64 | np.timedelta64):
        return None if np.isnat(value) else _text(str(value))
    module = type.__getattribute__(kind, "__module__")
    if isinstance(module, str) and module.startswith("pandas.") and kind.__name__ in _PANDAS_NULLS:
        return None
    if issubclass(kind, dt.datetime):
        return _text(dt.datetime.isoformat(value, " "))
    if issubclass(kind, dt.date):
        return dt.date.isoformat(value)
    if kind in _WRITTEN:
        return _text(str(value))
    return _text(f"<{_name_of(kind)}>")


_PANDAS_NULLS = frozenset({"NAType", "NaTType"})


def _array(array: Any, kind: type) -> Any:
    if issubclass(kind, np.ma.MaskedArray):
        if array.ndim == 0 and array.mask:
            return None
        if array.dtype.kind in "biuf":
            array = array.astype(np.float64).filled(np.nan)
    if array.dtype.kind not in "biuf" or array.ndim > 1:
        return _text(f"<{_name_of(kind)}>")
    return plain(array.item()) if array.ndim == 0 else np.array(array, np.float64, subok=False)


def _vector(items: list[Any], kind: type) -> Any:
    if frozenset(map(type, items)) <= {float}:
        return items
    numbers = [math.nan if item is None else plain(item) for item in items]
    if any(isinstance(number, str | list | np.ndarray | None) for number in numbers):
        return _text(f"<{_name_of(kind)}>")
    return [float(number) for number in numbers]
