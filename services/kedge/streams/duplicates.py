"""Pure: which messages of predictions were counted before, within a horizon.

One `Duplicates` remembers what was counted of one partition of the predictions topic. Its state
goes in and out as keys and values, so it lives in a compacted topic. `docs/conservation.md` has the
rule for users.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from kedge.contracts import PackedIds, PredictionBatch

_IDENTITY_BYTES = 16
_TIME_BYTES = 8
_ENTRY_BYTES = _TIME_BYTES + _IDENTITY_BYTES
_MOST_ENTRIES = 10_000
"""Messages in one record of the state: it stays far below what a topic takes."""


def identity(predictions: PredictionBatch) -> bytes:
    """What a message has in common with its replay, and with nothing else: 16 bytes.

    The names of its predictions, with who predicted: two models may predict the same order, and a
    canary the same one as its elder.
    """
    digest = hashlib.blake2b(digest_size=_IDENTITY_BYTES)
    tags, ids = predictions.tags, predictions.ids
    for text in (tags.model, tags.model_version, tags.code_version, tags.environment):
        _put(digest, text.encode())
    _put(digest, str(tags.release).encode())
    if isinstance(ids, PackedIds):
        digest.update(b"packed")
        digest.update(ids.data)
    else:
        for name in ids:
            _put(digest, name.encode())
    return digest.digest()


def _put(digest: hashlib.blake2b, text: bytes) -> None:
    """With its length, so that no two lists of texts are one string of bytes."""
    digest.update(len(text).to_bytes(_TIME_BYTES, "big"))
    digest.update(text)


@dataclass(slots=True)
class _Record:
    """What became one record of the state: its key, and how many messages it still names."""

    offset: int
    entries: int = 0


class Duplicates:
    """What was counted of one partition.

    A message is a duplicate of one that was counted less than `horizon` before it, if no more than
    `most` were counted since. Time is that of the messages' arrival and never goes back, so the
    same messages always get the same answers, whoever reads them and in whatever micro-batches.

    Args:
        horizon: microseconds; 0 recognises nothing.
        most: messages to remember at most.
    """

    def __init__(self, *, horizon: int, most: int) -> None:
        self._horizon, self._most = horizon, most
        # When each counted message came; beside it their order, as a dict is slow to empty from
        # its front.
        self._arrivals: dict[bytes, int] = {}
        self._order: deque[bytes] = deque()
        self._newest = 0
        self._records: deque[_Record] = deque()
        self._unsaved: dict[int, list[bytes]] = {}
        self._gone: list[int] = []

    def __len__(self) -> int:
        return len(self._order)

    def seen(self, message: bytes, arrival: int) -> bool:
        """Whether a message of this identity was counted before.

        Args:
            message: its `identity`.
            arrival: its timestamp in Kafka, in microseconds.
        """
        before = self._arrivals.get(message)
        return before is not None and max(self._newest, arrival) - before < self._horizon

    def remember(self, message: bytes, arrival: int, offset: int) -> None:
        """Take note of a message that is counted: one of which `seen` says no."""
        self._newest = max(self._newest, arrival)
        self._forget()
        record = self._records[-1] if self._records else None
        if record is None or not 0 < len(self._unsaved.get(record.offset, ())) < _MOST_ENTRIES:
            record = _Record(offset)
            self._records.append(record)
        entry = self._newest.to_bytes(_TIME_BYTES, "big") + message
        self._unsaved.setdefault(record.offset, []).append(entry)
        self._append(record, message)
        self._forget()

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for offset in self._gone:
            # What came and went between two calls never was in the state.
            if self._unsaved.pop(offset, None) is None:
                yield str(offset).encode(), None
        for offset, entries in self._unsaved.items():
            yield str(offset).encode(), b"".join(entries)
        self._gone.clear()
        self._unsaved.clear()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over what `changes` once gave, in that order."""
        kept = {int(key): value for key, value in state}
        for offset, value in sorted(kept.items()):
            if value:
                self._take_over(_Record(offset), value)

    def _take_over(self, record: _Record, value: bytes) -> None:
        self._records.append(record)
        # Until all is read, it is not to look empty.
        record.entries += 1
        for start in range(0, len(value), _ENTRY_BYTES):
            self._newest = int.from_bytes(value[start : start + _TIME_BYTES], "big")
            self._forget()
            message = value[start + _TIME_BYTES : start + _ENTRY_BYTES]
            # It can be there twice where the horizon was shorter once.
            if message not in self._arrivals:
                self._append(record, message)
                self._forget()
        record.entries -= 1
        if not record.entries:
            self._records.pop()
            self._gone.append(record.offset)

    def _append(self, record: _Record, message: bytes) -> None:
        self._arrivals[message] = self._newest
        self._order.append(message)
        record.entries += 1

    def _forget(self) -> None:
        """Let go of what is too old or too much."""
        while self._order and (
            len(self._order) > self._most
            or self._newest - self._arrivals[self._order[0]] >= self._horizon
        ):
            del self._arrivals[self._order.popleft()]
            first = self._records[0]
            first.entries -= 1
            if not first.entries:
                self._gone.append(first.offset)
                self._records.popleft()
