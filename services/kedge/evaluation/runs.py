"""A table on the disk that is looked up by key, many keys at once: sorted runs.

As in a log-structured merge tree (O'Neil et al. 1996), what is added is sorted and written once as
a run, and small runs are merged into larger ones. A look-up searches each run for all its keys, in
their order, so it touches few pages of it and never reads one through. Runs are mapped, and their
pages given back after each use: memory is bounded by what is asked at once, and by a merge.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kedge.evaluation.keys import Keys

_LONGEST = 1 << 22
"""Rows of a run that is merged no more: merging two of half that size takes some 500 MB."""

Rows = NDArray[Any]
"""Structured, `[rows]`."""


class Runs:
    """Rows of fixed width by their keys; there may be several rows of one key.

    Args:
        folder: for its files; nobody else writes there.
        dtype: of the rows.
    """

    def __init__(self, folder: Path, dtype: np.dtype[Any]) -> None:
        self._folder, self._dtype = folder, dtype
        self._runs: list[_Run] = []
        self._written = 0

    def close(self) -> None:
        for run in self._runs:
            run.remove()
        self._runs.clear()

    def add(self, keys: Keys, rows: Rows) -> None:
        """Add rows, one for each key."""
        if not len(keys):
            return
        first = len(self._runs)
        while first and len(self._runs[first - 1]) <= min(len(keys), _LONGEST - len(keys)):
            first -= 1
            older_keys, older_rows = self._runs[first].all()
            keys = np.concatenate([older_keys, keys])
            rows = np.concatenate([older_rows, rows])
        # Should the disk be full, what was there is still there.
        merged = self._written_as(keys, rows)
        for run in self._runs[first:]:
            run.remove()
        self._runs[first:] = [merged]

    def find(self, keys: Keys) -> tuple[NDArray[np.int64], Rows]:
        """Which of the keys have rows, as indices from the lowest on, and the rows beside these."""
        order = np.argsort(keys[:, 0], kind="stable")
        wanted = keys[order]
        places, found = [np.empty(0, np.int64)], [np.empty(0, self._dtype)]
        for run in self._runs:
            which, rows = run.find(wanted)
            places.append(order[which])
            found.append(rows)
        which = np.concatenate(places)
        back = np.argsort(which, kind="stable")
        return which[back], np.concatenate(found)[back]

    def keep(self, wanted: Callable[[Rows], NDArray[np.bool_]]) -> None:
        """Remove the rows that are not wanted."""
        left: list[_Run] = []
        for run in self._runs:
            keys, rows = run.all()
            kept = wanted(rows)
            if kept.all():
                left.append(run)
            elif kept.any():
                left.append(self._written_as(keys[kept], rows[kept]))
        for run in self._runs:
            if run not in left:
                run.remove()
        self._runs = left

    def _written_as(self, keys: Keys, rows: Rows) -> _Run:
        # Of runs that are merged, in one pass: it finds what is in order already.
        order = np.argsort(keys[:, 0], kind="stable")
        self._written += 1
        return _Run(self._folder / f"{self._written:08d}", keys[order], rows[order])


class _Run:
    """Rows in the order of the first half of their keys, the halves in files of their own."""

    def __init__(self, stem: Path, keys: Keys, rows: Rows) -> None:
        self._rows = len(rows)
        parts = {".first": keys[:, 0], ".second": keys[:, 1], ".rows": rows}
        self._parts = [
            _Mapped(stem.with_name(stem.name + end), part) for end, part in parts.items()
        ]

    def __len__(self) -> int:
        return self._rows

    def find(self, wanted: Keys) -> tuple[NDArray[np.int64], Rows]:
        """Indices of the keys that are here, with the rows of each; `wanted` is in order."""
        first, second, rows = self._parts
        there = first.array()
        places = np.searchsorted(there, wanted[:, 0])
        which = np.flatnonzero(there[np.minimum(places, len(there) - 1)] == wanted[:, 0])
        found = [(which[:0], places[:0])]
        places = places[which]
        # Nearly always one step: a key comes again in a row of another release.
        while len(which):
            same = second.array()[places] == wanted[which, 1]
            found.append((which[same], places[same]))
            places = places + 1
            more = places < len(there)
            which, places = which[more], places[more]
            more = there[places] == wanted[which, 0]
            which, places = which[more], places[more]
        which = np.concatenate([each for each, _ in found])
        answer = rows.array()[np.concatenate([at for _, at in found])]
        for part in self._parts:
            part.release()
        return which, answer

    def all(self) -> tuple[Keys, Rows]:
        """Copies of everything."""
        first, second, rows = (part.array() for part in self._parts)
        copied = np.stack([first, second], axis=1), rows.copy()
        for part in self._parts:
            part.release()
        return copied

    def remove(self) -> None:
        for part in self._parts:
            part.path.unlink(missing_ok=True)


class _Mapped:
    """An array in a file."""

    def __init__(self, path: Path, array: NDArray[Any]) -> None:
        self.path, self._dtype = path, array.dtype
        np.ascontiguousarray(array).tofile(path)
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def array(self) -> NDArray[Any]:
        return np.frombuffer(self._map, self._dtype)

    def release(self) -> None:
        """Give back the memory of its pages; the system may still have them at hand."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
