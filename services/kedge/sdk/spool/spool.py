"""What one logger keeps on disk, and what it took over from loggers that are dead."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kedge.sdk.messages import Message
from kedge.sdk.spool.claims import Claim
from kedge.sdk.spool.records import packed, size
from kedge.sdk.spool.segments import SUFFIX, Segment

_SEGMENTS = 32
"""Into how many files the spool is cut: room comes back a file at a time."""
_LARGEST_SEGMENT = 8 * 1024 * 1024
_MEASURE = 1.0
"""Seconds between looks at what others have in a folder that is full."""


@dataclass(eq=False, frozen=True, slots=True)
class Kept:
    """A message that lies in a segment.

    Attributes:
        message: to be sent.
        segment: where it lies.
        place: where in it.
        end: where the next one begins.
    """

    message: Message
    segment: Segment
    place: int
    end: int

    @property
    def own(self) -> bool:
        """Whether this logger wrote it, and did not take it over."""
        return self.segment.base is not None


class Spool:
    """Messages on disk, in a subfolder of this logger's own; by the background thread only.

    Every message is written before it is sent, and marked when the broker has it. So whatever
    happens to the process, what was written and not marked is there for the next logger that uses
    the folder. Nothing is fsynced: the kernel has what was written when the process is killed, and
    the machine's power is not insured.

    Args:
        folder: shared by as many loggers and processes as like.
        most: bytes in the whole folder. Of several processes each looks at what the others have
            only when it begins a file, so they may be above it by a file each.
        note: told what the disk says.
    """

    def __init__(self, folder: Path, most: int, note: Callable[[str], object]) -> None:
        self._folder = folder
        self._most = most
        self._note = note
        self._segment_bytes = min(_LARGEST_SEGMENT, most // _SEGMENTS)
        self._own: Claim | None = None
        self._adopted: list[tuple[Claim, list[Segment]]] = []
        self._segments: list[Segment] = []
        self._current: Segment | None = None
        self._made = 0
        self._ahead: Kept | None = None
        self._elsewhere = 0
        self._measured = 0.0
        self._full = False
        self.written = 0
        """Bytes that this logger has written."""
        self.waiting = 0
        """Events of this logger that wait."""

    @property
    def handed_out(self) -> int:
        """How far of what this logger has written was handed out."""
        for segment in self._segments:
            if segment.base is not None and segment.cursor < segment.size:
                return segment.base + segment.cursor
        return self.written

    def room(self, message: Message) -> bool:
        """Whether the message may be kept within the bound."""
        needed = size(message)
        if self._begins_file(needed) and not self._full:
            self._measure()
        if self._above(needed) and time.monotonic() >= self._measured + _MEASURE:
            self._measure()
        self._full = self._above(needed)
        return not self._full

    def keep(self, message: Message) -> bool:
        """Write a message; False if the disk does not take it."""
        record = packed(message)
        try:
            segment = self._writable(len(record))
            place = segment.size
            segment.append(record)
        except OSError as error:
            self._note(str(error))
            if self._current is not None and not self._current.appendable:
                self._current = None
            if isinstance(error, FileNotFoundError) and self._own is not None:
                # Somebody removed the folder: the next message makes another.
                self._own.release()
                self._own = self._current = None
            return False
        self.written += len(record)
        self.waiting += message.events
        if self._ahead is None and self._next_segment() is segment and segment.cursor == place:
            # Nothing is before it: no need to read it back.
            self._ahead = Kept(message, segment, place, segment.size)
        return True

    def peek(self) -> Kept | None:
        """What is to be sent next."""
        while self._ahead is None and (segment := self._next_segment()) is not None:
            try:
                record = segment.peek()
            except OSError as error:
                # As torn: what can't be read can't be sent. The file stays.
                self._note(str(error))
                segment.cursor, segment.failed = segment.size, 1
                continue
            if segment.torn:
                self._note(f"{segment.torn} bytes at the end of {segment.path} are torn: left out")
                segment.torn = 0
            if record is not None:
                self._ahead = Kept(record.message, segment, segment.cursor, record.end)
            elif segment.drained:
                self._delete(segment)
        return self._ahead

    def advance(self) -> None:
        """What `peek` gave is on its way."""
        if self._ahead is not None:
            segment = self._ahead.segment
            segment.cursor = self._ahead.end
            segment.out += 1
            self._ahead = None

    def put_back(self, kept: Kept) -> None:
        """It is not on its way after all: `peek` gives it again."""
        kept.segment.cursor = kept.place
        kept.segment.out -= 1
        self._ahead = kept

    def done(self, kept: Kept) -> None:
        """The broker has it, or never will."""
        kept.segment.mark(kept.place)
        if kept.own:
            self.waiting -= kept.message.events
        kept.segment.back()
        if kept.segment.drained:
            self._delete(kept.segment)

    def failed(self, kept: Kept) -> None:
        """It came back; `retry` hands it out again."""
        kept.segment.failed += 1
        kept.segment.back()

    def retry(self) -> None:
        """Hand out again what came back, of segments of which everything was heard."""
        for segment in self._segments:
            if segment.failed and not segment.out and segment.cursor == segment.size:
                segment.rewind()

    def adopt(self) -> None:
        """Take over what dead processes left."""
        for path in self._others():
            claim = Claim.adopt(path)
            if claim is None:
                continue
            try:
                found = [Segment.found(each) for each in sorted(path.glob("*" + SUFFIX))]
                for segment in [each for each in found if each.drained]:
                    segment.delete()
                    found.remove(segment)
                if not found:
                    claim.remove()
                    continue
            except OSError as error:
                self._note(str(error))
                claim.release()
                continue
            self._adopted.append((claim, found))
            self._segments.extend(found)

    def left_behind(self) -> bool:
        """Whether there may be something to adopt."""
        return bool(self._others())

    def close(self) -> None:
        """Leave what waits to whoever comes."""
        if self._current is not None:
            self._current.seal()
        for segment in list(self._segments):
            if segment.drained:
                self._delete(segment)
            segment.close()
        if self._own is not None:
            with contextlib.suppress(OSError):
                self._own.remove()
        self.abandon()

    def abandon(self) -> None:
        """Let go of everything; in a forked child, it all stays the parent's."""
        for segment in self._segments:
            segment.close()
        for claim in [claim for claim, _ in self._adopted] + ([self._own] if self._own else []):
            claim.release()
        self._segments, self._adopted, self._own = [], [], None

    def _above(self, needed: int) -> bool:
        """Whether so many bytes more would be above the bound."""
        here = sum(segment.size for segment in self._segments)
        return here + self._elsewhere + needed > self._most

    def _begins_file(self, needed: int) -> bool:
        current = self._current
        return current is None or (current.size > 0 and current.size + needed > self._segment_bytes)

    def _next_segment(self) -> Segment | None:
        return next((each for each in self._segments if each.cursor < each.size), None)

    def _writable(self, needed: int) -> Segment:
        """The segment to append to; a new one where there is none with room for `needed` bytes."""
        if self._begins_file(needed):
            current, self._current = self._current, None
            if current is not None:
                current.seal()
                if current.drained:
                    self._delete(current)
            if self._own is None:
                self._own = Claim.fresh(self._folder)
            self._made += 1
            path = self._own.path / f"{self._made:08d}{SUFFIX}"
            self._current = Segment.new(path, self.written)
            self._segments.append(self._current)
        assert self._current is not None
        return self._current

    def _delete(self, segment: Segment) -> None:
        segment.delete()
        self._segments.remove(segment)
        for entry in self._adopted:
            claim, left = entry
            if segment in left:
                left.remove(segment)
                if not left:
                    self._adopted.remove(entry)
                    with contextlib.suppress(OSError):
                        claim.remove()
                return

    def _others(self) -> list[Path]:
        """Subfolders that this logger does not hold."""
        held = {claim.path for claim, _ in self._adopted}
        if self._own is not None:
            held.add(self._own.path)
        with contextlib.suppress(OSError):
            return sorted(
                path for path in self._folder.iterdir() if path.is_dir() and path not in held
            )
        return []

    def _measure(self) -> None:
        """See what others have in the folder."""
        self._measured = time.monotonic()
        total = 0
        for path in self._others():
            with contextlib.suppress(OSError):
                total += sum(each.stat().st_size for each in path.glob("*" + SUFFIX))
        self._elsewhere = total
