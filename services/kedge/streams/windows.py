"""Pure: the fold of delta profiles into event-time windows, and when each is published.

One `Windows` holds what one partition of the profiles topic brings. Its state goes in and out as
keys and values, so it lives in a compacted topic.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from kedge.contracts import Record
from kedge.profile import Profile
from kedge.statistics import Past, Traffic
from kedge.streams.longer import LongerWindows
from kedge.streams.silence import Silence
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
        silence: how long after the last event windows without any are published.
        history: for how long before a window `traffic` tells of others.
        empty: the profile of no predictions for a window of this key.
    """

    def __init__(
        self,
        *,
        empty: Callable[[WindowKey], Profile],
        out_of_orderness: int,
        allowed_lateness: int,
        idle_after: int,
        longer: Sequence[int] = (),
        slide: int = 1,
        silence: int = 0,
        history: int = 0,
    ) -> None:
        self._out_of_orderness = out_of_orderness
        self._allowed_lateness = allowed_lateness
        self._idle_after = idle_after
        self._longer = LongerWindows(longer, slide)
        self._silence = Silence(silence, empty)
        self._history = history
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
            # What was published without rows is published again.
            revision = 0 if key in self._silence.told(stream) else -1
            windows[key] = Window(
                delta["window_end"],
                delta["model_version"],
                delta["code_version"],
                profile,
                revision,
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
        silent = self._silence.passed(stream, changed, before, watermark)
        longer = self._longer.publish(
            stream, windows, changed, (before, watermark), progress.forgotten
        )
        return sorted(
            [*changed.items(), *longer, *silent],
            key=lambda item: (item[1].end, -item[0].start, item[0].release),
        )

    def _forget(self, stream: Stream, progress: Progress) -> None:
        final = progress.watermark - self._allowed_lateness
        windows = self._windows.get(stream, {})
        unneeded = [
            key
            for key, window in windows.items()
            if window.end <= final and key.start + max(self._longer.longest, self._history) <= final
        ]
        for key in unneeded:
            progress.forgotten = max(progress.forgotten, windows.pop(key).end)
            self._touched_progress.add(stream)
        self._touched_windows.update(unneeded)
        self._longer.forget(stream, final)
        self._silence.forget(stream, final, self._history)

    def traffic(self, key: WindowKey, window: Window) -> Traffic:
        """The rows of all releases in a window that `close` gives, and in those before it.

        They are those that were known when the window was published.
        """
        bases = self._windows.get(key.stream, {})
        silent = self._silence.told(key.stream)
        rows = sum(
            base.profile.rows
            for where, base in bases.items()
            if key.start <= where.start and base.end <= window.end
        )
        if bases.get(key) is not window and silent.get(key) != window.end:
            return Traffic(rows, None)
        before = Counter(dict.fromkeys((where.start for where in silent), 0))
        for where, base in bases.items():
            before[where.start] += base.profile.rows
        within = range(key.start - self._history, key.start)
        return Traffic(rows, tuple(before[start] for start in sorted(before) if start in within))

    def past(self, key: WindowKey, window: Window) -> list[Past]:
        """The base windows of its release that a window that `close` gives is the last of.

        Those within it, where it is longer than a base window, else those of the history too.
        """
        bases = self._windows.get(key.stream, {})
        earliest = key.start - (self._history if bases.get(key) is window else 0)
        return [
            Past(where.start, base.profile)
            for where, base in sorted(bases.items())
            if where.release == key.release and earliest <= where.start and base.end <= window.end
        ]

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
        for stream, silence in self._silence.changes():
            yield as_bytes(["silence", *stream]), as_bytes(silence)
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
                case ["silence", model, environment] if known is not None:
                    self._silence.restore(Stream(model, environment), known)
                case ["progress", model, environment] if known is not None:
                    self._progress[Stream(model, environment)] = Progress.from_json(known, now)
                case other:
                    raise ValueError(f"state of an unknown kind: {other}")
