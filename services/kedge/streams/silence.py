"""Pure: which windows without any event are to be published, so that silence is seen.

Nothing is counted in them, so all that is remembered is which they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from kedge.contracts import Record
from kedge.profile import Profile
from kedge.streams.window import Stream, Window, WindowKey


@dataclass(frozen=True, slots=True)
class _Last:
    """The newest window of a stream that has rows: where it is, and the releases that had them."""

    end: int
    length: int
    releases: Mapping[int, tuple[str, str]]

    def to_json(self) -> Record:
        releases = [[number, *versions] for number, versions in sorted(self.releases.items())]
        return {"end": self.end, "length": self.length, "releases": releases}

    @classmethod
    def from_json(cls, state: Record) -> Self:
        releases = {number: (model, code) for number, model, code in state["releases"]}
        return cls(state["end"], state["length"], releases)


class Silence:
    """Windows in which no release of a stream has rows, told of those that had the last ones.

    A release that lost its traffic to another one is not silent: the stream goes on.

    Args:
        longest: how long after the last window with rows others are published; microseconds.
        empty: the profile of no predictions for a window of this key.
    """

    def __init__(self, longest: int, empty: Callable[[WindowKey], Profile]) -> None:
        self._longest, self._empty = longest, empty
        self._last: dict[Stream, _Last] = {}
        # Those that were published, by their ends.
        self._told: dict[Stream, dict[WindowKey, int]] = {}
        self._touched: set[Stream] = set()

    def told(self, stream: Stream) -> Mapping[WindowKey, int]:
        """The windows that were published without rows, and their ends."""
        return self._told.get(stream, {})

    def passed(
        self, stream: Stream, closed: Mapping[WindowKey, Window], before: int, watermark: int
    ) -> list[tuple[WindowKey, Window]]:
        """The empty windows that the watermark has passed, to be published.

        Args:
            stream: whose.
            closed: its closed base windows that are published now.
            before: the watermark before.
            watermark: the watermark now.
        """
        if not self._longest:
            return []
        found: list[tuple[WindowKey, Window]] = []
        for last in self._with_rows(stream, closed):
            if (known := self._last.get(stream)) is not None:
                found += self._between(stream, known, before, last.end - last.length)
            self._last[stream] = last
            self._touched.add(stream)
        if (known := self._last.get(stream)) is not None:
            found += self._between(stream, known, before, watermark)
        if found:
            told = self._told.setdefault(stream, {})
            told.update((key, window.end) for key, window in found)
            self._touched.add(stream)
        return found

    def _with_rows(self, stream: Stream, closed: Mapping[WindowKey, Window]) -> Iterable[_Last]:
        """Those newer than the newest that was known, the oldest first."""
        known = self._last.get(stream)
        found: dict[int, _Last] = {}
        for key, window in closed.items():
            if window.profile.rows and (known is None or window.end > known.end):
                last = found.get(window.end, _Last(window.end, window.end - key.start, {}))
                versions = {key.release: (window.model_version, window.code_version)}
                found[window.end] = _Last(last.end, last.length, {**last.releases, **versions})
        return [found[end] for end in sorted(found)]

    def _between(
        self, stream: Stream, last: _Last, before: int, until: int
    ) -> Iterator[tuple[WindowKey, Window]]:
        """The windows after `last` that end after `before` and no later than `until`."""
        first = last.end + max(0, before - last.end) // last.length * last.length
        until = min(until, last.end + self._longest)
        for start in range(first, until - last.length + 1, last.length):
            for release, versions in sorted(last.releases.items()):
                key = WindowKey(*stream, start, release)
                end = start + last.length
                yield key, Window(end, *versions, self._empty(key), revision=0, changed=False)

    def forget(self, stream: Stream, final: int, history: int) -> None:
        """Forget windows that are final and further than `history` before what comes."""
        told = self._told.get(stream, {})
        gone = [key for key, end in told.items() if end <= final and key.start + history <= final]
        for key in gone:
            del told[key]
            self._touched.add(stream)

    def changes(self) -> Iterator[tuple[Stream, Record]]:
        """State that changed since the last call."""
        for stream in sorted(self._touched):
            told = [[key.start, key.release, end] for key, end in sorted(self.told(stream).items())]
            yield stream, {"last": self._last[stream].to_json(), "told": told}
        self._touched.clear()

    def restore(self, stream: Stream, state: Record) -> None:
        """Take over what `changes` once gave."""
        self._last[stream] = _Last.from_json(state["last"])
        self._told[stream] = {
            WindowKey(*stream, start, release): end for start, release, end in state["told"]
        }
