"""Numbers and times as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def time_text(micros: int) -> str:
    """A time as sentences say it.

    >>> time_text(0)
    '1970-01-01 00:00:00 UTC'
    """
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def count(number: int, word: str) -> str:
    """So many of something.

    >>> count(1, "window"), count(2, "window")
    ('1 window', '2 windows')
    """
    return f"{number} {word}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence.

    >>> listed(["temp", "humid", "wind"])
    'temp, humid and wind'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
