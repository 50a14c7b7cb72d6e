"""Pure: the fold of delta profiles into event-time windows, and when each is published.

One `Windows` holds what one partition of the profiles topic brings. Its state goes in and out as
keys and values, so it lives in a compacted topic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from kedge.contracts import Record
from kedge.profile import Profile
from kedge.streams.longer import LongerWindows
from kedge.streams.watermark import Progress
from kedge.streams.window import Stream, Window, WindowKey, as_bytes


class Windows:
    """Windows of the models of one partition. All times are in microseconds.

    The watermark is the smallest, over the partitions of the predictions topic, of the latest event
    times, less `out_of_orderness`. A partition that brings nothing for `idle_after` holds nothing
    back; when all are idle, event time is taken to go on at the pace of the clock, so the last
    window before a quiet night is published too. A partition that never brought anything is not
    waited for: nobody can know whether it ever will.

    Args:
        out_of_orderness: how far behind the newest event the watermark stays.
        allowed_lateness: how long after its end a window still takes events.
        idle_after: how long a partition without news holds the watermark.
        longer: lengths of the longer windows.
        slide: one of each length ends with every so much of event time.
    """

    def __init__(
        self,
        *,
        out_of_orderness: int,
        allowed_lateness: int,
        idle_after: int,
        longer: Sequence[int] = (),
        slide: int = 1,
    ) -> None:
        self._out_of_orderness = out_of_orderness
        self._allowed_lateness = allowed_lateness
        self._idle_after = idle_after
        self._longer = LongerWindows(longer, slide)
        self._windows: dict[Stream, dict[WindowKey, Window]] = {}
        self._progress: dict[Stream, Progress] = {}
        self._touched_windows: set[WindowKey] = set()
        self._touched_progress: set[Stream] = set()
        # Nothing is to be published of the other streams until their watermarks move.
        self._added_to: set[Stream] = set()

    def add(self, delta: Record, profile: Profile, now: int) -> bool:
        """Add one delta profile; False when it is later than is allowed, and was not added.

        One that is too late does not hold the watermark back either: a clock that is far behind
        can't stall a stream that has begun.

        Args:
            delta: a record of the `profile` contract.
            profile: the counts in it.
            now: the clock.
        """
        stream = Stream(delta["model"], delta["environment"])
        progress = self._progress.setdefault(stream, Progress())
        if delta["window_end"] + self._allowed_lateness <= progress.watermark:
            return False
        progress.hear(delta["source"], now)
        self._touched_progress.add(stream)
        self._added_to.add(stream)
        key = WindowKey(*stream, delta["window_start"], delta["release"])
        windows = self._windows.setdefault(stream, {})
        window = windows.get(key)
        if window is None:
            windows[key] = Window(
                delta["window_end"], delta["model_version"], delta["code_version"], profile
            )
        else:
            window.profile = window.profile + profile
            window.changed = True
        self._touched_windows.add(key)
        return True

    def close(self, now: int) -> Iterator[tuple[WindowKey, Window]]:
        """Windows to publish, of each stream the oldest first: closed ones that have changed.

        Of windows that end together, the shorter come first. Windows that can't get anything any
        more and that no longer window needs are forgotten.
        """
        for stream, progress in sorted(self._progress.items()):
            before = progress.watermark
            moved = progress.advance(
                now, out_of_orderness=self._out_of_orderness, idle_after=self._idle_after
            )
            if moved:
                self._touched_progress.add(stream)
            if moved or stream in self._added_to:
                yield from self._published(stream, progress, before)
                self._forget(stream, progress)
        self._added_to.clear()

    def _published(
        self, stream: Stream, progress: Progress, before: int
    ) -> list[tuple[WindowKey, Window]]:
        windows, watermark = self._windows.get(stream, {}), progress.watermark
        changed = {
            key: window
            for key, window in windows.items()
            if window.changed and window.end <= watermark
        }
        for window in changed.values():
            window.revision += 1
            window.changed = False
        self._touched_windows.update(changed)
        longer = self._longer.publish(
            stream, windows, changed, (before, watermark), progress.forgotten
        )
        return sorted(
            [*changed.items(), *longer],
            key=lambda item: (item[1].end, -item[0].start, item[0].release),
        )

    def _forget(self, stream: Stream, progress: Progress) -> None:
        final = progress.watermark - self._allowed_lateness
        windows = self._windows.get(stream, {})
        unneeded = [
            key
            for key, window in windows.items()
            if window.end <= final and key.start + self._longer.longest <= final
        ]
        for key in unneeded:
            progress.forgotten = max(progress.forgotten, windows.pop(key).end)
            self._touched_progress.add(stream)
        self._touched_windows.update(unneeded)
        self._longer.forget(stream, final)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for key in sorted(self._touched_windows):
            window = self._windows[key.stream].get(key)
            name = ["window", key.model, key.environment, key.start, key.release]
            yield as_bytes(name), None if window is None else as_bytes(window.to_json())
        for where, state in self._longer.changes():
            yield as_bytes(["longer", *where]), None if state is None else as_bytes(state)
        for stream in sorted(self._touched_progress):
            yield as_bytes(["progress", *stream]), as_bytes(self._progress[stream].to_json())
        self._touched_windows.clear()
        self._touched_progress.clear()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]], now: int) -> None:
        """Take over what `changes` once gave."""
        for name, value in state:
            known = None if value is None else json.loads(value)
            match json.loads(name):
                case ["window", model, environment, start, release]:
                    key = WindowKey(model, environment, start, release)
                    windows = self._windows.setdefault(key.stream, {})
                    if known is None:
                        windows.pop(key, None)
                    else:
                        windows[key] = Window.from_json(known)
                case ["longer", model, environment, *span]:
                    self._longer.restore(Stream(model, environment), span, known)
                case ["progress", model, environment] if known is not None:
                    self._progress[Stream(model, environment)] = Progress.from_json(known, now)
                case other:
                    raise ValueError(f"state of an unknown kind: {other}")
