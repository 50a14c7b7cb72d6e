"""Names of predictions: made cheaply, and packed where they are UUIDs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from kedge.contracts import PackedIds
from kedge.contracts.values import LONGEST_TEXT, plain_name

_UUID_LETTERS = 36
_DASHES = (8, 13, 18, 23)
_STEM_BYTES = 10


class Names:
    """Makes names: UUIDs of version 8 (RFC 9562), 74 random bits and then a counter of 48.

    The random part is drawn once for each logger and process, and once for each batch: two of a
    million loggers draw the same with a chance of 3 in 10^11. Counting costs a tenth of drawing 122
    random bits for every prediction, and names that differ only at their end take next to no room
    in a compressed message.
    """

    __slots__ = ("_numbers", "_stem")

    def __init__(self) -> None:
        text = _stem().hex()
        self._stem = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-"
        # `next` of it is one step for the interpreter: no two threads get the same.
        self._numbers = itertools.count()

    def new(self) -> str:
        """A name that nothing else has."""
        return self._stem + format(next(self._numbers), "012x")

    def known(self, name: Any) -> str:
        """A name given by the caller, as a message can hold it; a new one if it is empty."""
        return plain_name(name) or self.new() if name is not None else self.new()

    def block(self, rows: int) -> PackedIds:
        """`rows` new names."""
        packed = np.empty((rows, 16), np.uint8)
        packed[:, :_STEM_BYTES] = np.frombuffer(_stem(), np.uint8)
        counted = np.arange(rows, dtype=">u8").view(np.uint8).reshape(rows, 8)
        packed[:, _STEM_BYTES:] = counted[:, 2:]
        return PackedIds(packed.tobytes())

    def all_known(self, names: Iterable[Any]) -> list[str]:
        """`known` of each."""
        if hasattr(names, "to_list"):  # a series of pandas or polars
            names = names.to_list()
        listed = list(names)
        if set(map(type, listed)) == {str} and all(map(_clean, listed)):
            return listed
        return [self.known(name) for name in listed]


def _stem() -> bytes:
    drawn = bytearray(os.urandom(_STEM_BYTES))
    drawn[6] = 0x80 | drawn[6] & 0x0F  # the version
    drawn[8] = 0x80 | drawn[8] & 0x3F  # the variant
    return bytes(drawn)


def _clean(name: str) -> bool:
    return 0 < len(name) <= LONGEST_TEXT and name.isascii()


def packed(names: Sequence[str]) -> Sequence[str]:
    """The same names in 16 bytes each, if every one is a UUID in its canonical form."""
    if isinstance(names, PackedIds) or set(map(len, names)) != {_UUID_LETTERS}:
        return names
    try:
        letters = np.frombuffer("".join(names).encode("ascii"), np.uint8)
    except UnicodeEncodeError:
        return names
    table = letters.reshape(len(names), _UUID_LETTERS)
    dashes = np.zeros(_UUID_LETTERS, bool)
    dashes[list(_DASHES)] = True
    digits = table[:, ~dashes]
    decimal = (digits >= ord("0")) & (digits <= ord("9"))
    lower = (digits >= ord("a")) & (digits <= ord("f"))
    if not ((table[:, dashes] == ord("-")).all() and (decimal | lower).all()):
        return names
    return PackedIds(bytes.fromhex(digits.tobytes().decode("ascii")))
