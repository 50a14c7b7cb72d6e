"""Pure: names of predictions as 128 bits that can be sorted and looked up, many at once.

A prediction is named by model, environment and id. UUIDs keep all their bits; other ids, and the
model with the environment, are hashed by BLAKE2b. The bits are then mixed, so that the first 64 are
spread evenly whatever the ids look like; with the second 64, nothing of them is lost.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
"""`[names, 2]`."""

_BYTES = 16
_LETTERS = 36
_DASHES = np.zeros(_LETTERS, bool)
_DASHES[[8, 13, 18, 23]] = True
_NO_DIGIT = 255
# The value of each letter that a UUID in its canonical form is written with.
_DIGITS = np.full(256, _NO_DIGIT, np.uint8)
_DIGITS[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)


def keys_of(model: str, environment: str, ids: pa.StringArray) -> Keys:
    """The keys of predictions of one model in one environment."""
    packed = np.zeros((len(ids), _BYTES), np.uint8)
    for row in _pack_uuids(ids, packed).tolist():
        packed[row] = np.frombuffer(_digest(ids[row].as_py().encode()), np.uint8)
    scope = np.frombuffer(_digest(f"{len(model)} {model} {environment}".encode()), "<u8")
    keys: Keys = packed.view("<u8") ^ scope
    keys[:, 0] = _mixed(keys[:, 0] + _mixed(keys[:, 1]))
    return keys


def _pack_uuids(ids: pa.StringArray, packed: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Put the bits of UUIDs into their rows; the rows that have something else."""
    _valid, offsets, letters = ids.buffers()
    ends = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    rows = np.flatnonzero(np.diff(ends) == _LETTERS)
    text = np.frombuffer(letters or b"", np.uint8)
    if len(rows) == len(ids):
        table = text[ends[0] : ends[-1]].reshape(-1, _LETTERS)
    else:
        table = text[ends[rows][:, None] + np.arange(_LETTERS)]
    digits = _DIGITS[table[:, ~_DASHES]]
    uuids = (table[:, _DASHES] == ord("-")).all(axis=1) & (digits != _NO_DIGIT).all(axis=1)
    packed[rows[uuids]] = (digits[uuids, ::2] << 4) | digits[uuids, 1::2]
    others = np.ones(len(ids), bool)
    others[rows[uuids]] = False
    return np.flatnonzero(others)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_BYTES).digest()


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014, figure 16): no two inputs give the same."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
