"""One file of a spool: records are appended, handed out in order, and marked when they are done."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kedge.sdk.spool.records import DONE, Record, record_at

# It names the format: files of another one are left alone.
SUFFIX = ".spool1"


class Segment:
    """A file, a cursor in it, and how many records are out.

    Attributes:
        path: of the file.
        size: bytes of whole records, as far as this process wrote or found them.
        cursor: where the next record to be handed out begins.
        out: records that were handed out and of which nothing was heard yet.
        failed: records that came back and have to be handed out again.
        torn: bytes behind the last whole record, once `peek` has come there.
        base: bytes that this process had written to earlier segments; of its own segments only.
    """

    __slots__ = ("_file", "_open_end", "base", "cursor", "failed", "out", "path", "size", "torn")

    def __init__(self, path: Path, size: int, base: int | None) -> None:
        self.path = path
        self.size = size
        self.base = base
        self.cursor = 0
        self.out = 0
        self.failed = 0
        self.torn = 0
        self._file: int | None = None
        self._open_end = False

    @classmethod
    def new(cls, path: Path, base: int) -> Segment:
        """A file of this process's own, open at its end.

        Raises:
            OSError: it can't be made.
        """
        segment = cls(path, 0, base)
        segment._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        segment._open_end = True
        return segment

    @classmethod
    def found(cls, path: Path) -> Segment:
        """What a dead process left.

        Raises:
            OSError: it can't be looked at.
        """
        return cls(path, path.stat().st_size, None)

    @property
    def appendable(self) -> bool:
        """Whether it is open at its end."""
        return self._open_end

    @property
    def drained(self) -> bool:
        """Everything in it is done, and nothing will be added."""
        return not (self._open_end or self.out or self.failed or self.cursor < self.size)

    def append(self, record: bytes) -> None:
        """Write a record behind the others.

        Raises:
            OSError: the disk did not take it. The file is as it was, or is closed for appending.
        """
        assert self._file is not None
        try:
            # One call: other threads of this process may fork, or the process be killed, between
            # two.
            written = os.pwrite(self._file, record, self.size)
            while written < len(record):
                # A short write says that the disk is about to be full: the next one says how.
                written += os.pwrite(self._file, record[written:], self.size + written)
        except OSError:
            try:
                os.ftruncate(self._file, self.size)
            except OSError:
                self.seal()
            raise
        self.size += len(record)

    def seal(self) -> None:
        """Nothing will be appended any more."""
        self._open_end = False
        self._close_if_idle()

    def peek(self) -> Record | None:
        """The next record that waits; None at the end, which is also where a torn one begins.

        Raises:
            OSError: the file can't be read.
        """
        while self.cursor < self.size:
            record = record_at(self._opened(), self.cursor, self.size)
            if record is None:
                self.torn, self.cursor = self.size - self.cursor, self.size
            elif record.done:
                self.cursor = record.end
            else:
                return record
        self._close_if_idle()
        return None

    def mark(self, place: int) -> None:
        """The record at `place` is done: whoever reads the file after this process skips it."""
        # If the disk does not take the mark, the message will be sent again: readers know it.
        with contextlib.suppress(OSError):
            os.pwrite(self._opened(), DONE, place)

    def back(self) -> None:
        """Something was heard of a record that was out."""
        self.out -= 1
        self._close_if_idle()

    def rewind(self) -> None:
        """Hand out again what is not done."""
        self.cursor = self.failed = 0

    def delete(self) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _opened(self) -> int:
        if self._file is None:
            self._file = os.open(self.path, os.O_RDWR)
        return self._file

    def _close_if_idle(self) -> None:
        if not self._open_end and not self.out:
            self.close()
