"""Pure: longer windows, as sums of base windows.

A profile is a monoid, so a longer window keeps no counts of its own: what is remembered of it is
how often it was published. One of each length ends with every `slide`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from kedge.contracts import Record
from kedge.profile import Profile
from kedge.streams.watermark import UNKNOWN
from kedge.streams.window import Stream, Window, WindowKey


class _Span(NamedTuple):
    """One longer window of one release; sorted in the order of publication."""

    end: int
    length: int
    release: int


class LongerWindows:
    """The longer windows of all streams. All times are in microseconds."""

    def __init__(self, lengths: Iterable[int], slide: int) -> None:
        self._lengths, self._slide = tuple(lengths), slide
        self._revisions: dict[Stream, dict[_Span, int]] = {}
        self._touched: set[tuple[Stream, _Span]] = set()

    @property
    def longest(self) -> int:
        """How long after its start a base window is still needed."""
        return max(self._lengths, default=0)

    def publish(
        self,
        stream: Stream,
        bases: Mapping[WindowKey, Window],
        changed: Collection[WindowKey],
        closed: tuple[int, int],
        complete_from: int,
    ) -> Iterator[tuple[WindowKey, Window]]:
        """The longer windows to publish now that the watermark has moved, the oldest first.

        They are those that end where the watermark passed, and those it had passed before in which
        a base window has changed. One without a base window is empty and is not published.

        Args:
            stream: whose windows these are.
            bases: the base windows that are kept.
            changed: those of them that are published now.
            closed: the watermark before and now.
            complete_from: no base window that starts here or later is missing. A longer window that
                starts before would be less than the sum it is taken for: right after the settings
                have named a new length there are such.
        """
        for span in sorted(self._due(bases, changed, closed)):
            start = span.end - span.length
            if start < complete_from:
                continue
            parts = [
                window
                for key, window in bases.items()
                if key.release == span.release and start <= key.start and window.end <= span.end
            ]
            published = self._revisions.setdefault(stream, {})
            revision = published[span] = published.get(span, -1) + 1
            self._touched.add((stream, span))
            yield (
                WindowKey(*stream, start, span.release),
                Window(
                    span.end,
                    parts[0].model_version,
                    parts[0].code_version,
                    Profile.of_all([part.profile for part in parts]),
                    revision,
                    changed=False,
                ),
            )

    def _due(
        self,
        bases: Mapping[WindowKey, Window],
        changed: Collection[WindowKey],
        closed: tuple[int, int],
    ) -> set[_Span]:
        before, watermark = closed
        if not self._lengths:
            return set()
        passed = before // self._slide < watermark // self._slide
        due: set[_Span] = set()
        for key in bases if passed else changed:
            after = UNKNOWN if key in changed else before
            first = max(-(-bases[key].end // self._slide), after // self._slide + 1) * self._slide
            for length in self._lengths:
                last = min(key.start + length, watermark)
                due.update(
                    _Span(end, length, key.release) for end in range(first, last + 1, self._slide)
                )
        return due

    def forget(self, stream: Stream, final: int) -> None:
        """Forget the windows that end at or before `final`: they are not published again."""
        published = self._revisions.get(stream, {})
        for span in [span for span in published if span.end <= final]:
            del published[span]
            self._touched.add((stream, span))

    def changes(self) -> Iterator[tuple[list[str | int], Record | None]]:
        """State that changed since the last call, by what is behind `longer` in its key."""
        for stream, span in sorted(self._touched):
            revision = self._revisions[stream].get(span)
            yield [*stream, *span], None if revision is None else {"revision": revision}
        self._touched.clear()

    def restore(self, stream: Stream, span: Iterable[int], state: Record | None) -> None:
        """Take over what `changes` once gave."""
        published = self._revisions.setdefault(stream, {})
        if state is None:
            published.pop(_Span(*span), None)
        else:
            published[_Span(*span)] = state["revision"]
