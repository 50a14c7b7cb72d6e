"""Pure: the fold of delta profiles into event-time windows, and when each is published.

One `Windows` holds what one partition of the profiles topic brings. Its state goes in and out as
keys and values, so it lives in a compacted topic.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kedge.contracts import Record
from kedge.profile import Profile

_UNKNOWN = -(2**63)


@dataclass(frozen=True, slots=True, order=True)
class WindowKey:
    """One window of one release."""

    model: str
    environment: str
    start: int
    release: int


@dataclass(slots=True)
class Window:
    """What is known of it.

    Attributes:
        end: first instant after it.
        model_version: of the release.
        code_version: of the release.
        profile: of all that came so far.
        revision: of the newest publication; -1 before the first.
        changed: whether something came since.
    """

    end: int
    model_version: str
    code_version: str
    profile: Profile
    revision: int = -1
    changed: bool = True


@dataclass(slots=True)
class _Progress:
    """How far event time has come in one model's predictions of one environment.

    Attributes:
        newest: latest event time by partition of the predictions topic.
        heard: when each of these last brought something, on this process's clock.
        watermark: no window that ends at or before it is expected to get more.
    """

    newest: dict[int, int] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    watermark: int = _UNKNOWN


class Windows:
    """Windows of the models of one partition. All times are in microseconds.

    The watermark is the smallest, over the partitions of the predictions topic, of the latest event
    times, less `out_of_orderness`. A partition that brings nothing for `idle_after` holds nothing
    back; when all are idle, event time is taken to go on at the pace of the clock, so the last
    window before a quiet night is published too.
    """

    def __init__(self, *, out_of_orderness: int, allowed_lateness: int, idle_after: int) -> None:
        self._out_of_orderness = out_of_orderness
        self._allowed_lateness = allowed_lateness
        self._idle_after = idle_after
        self._windows: dict[WindowKey, Window] = {}
        self._progress: dict[tuple[str, str], _Progress] = {}
        self._touched_windows: set[WindowKey] = set()
        self._touched_progress: set[tuple[str, str]] = set()

    def add(self, delta: Record, profile: Profile, now: int) -> bool:
        """Add one delta profile; False when it is later than is allowed, and was not added.

        Args:
            delta: a record of the `profile` contract.
            profile: the counts in it.
            now: the clock.
        """
        stream = (delta["model"], delta["environment"])
        progress = self._progress.setdefault(stream, _Progress())
        source = delta["source"]
        partition = source["partition"]
        if delta["window_end"] + self._allowed_lateness <= progress.watermark:
            return False
        progress.newest[partition] = max(
            progress.newest.get(partition, _UNKNOWN), source["max_event_time"]
        )
        progress.heard[partition] = now
        self._touched_progress.add(stream)
        key = WindowKey(*stream, delta["window_start"], delta["release"])
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = Window(
                delta["window_end"], delta["model_version"], delta["code_version"], profile
            )
        else:
            window.profile = window.profile + profile
            window.changed = True
        self._touched_windows.add(key)
        return True

    def close(self, now: int) -> Iterator[tuple[WindowKey, Window]]:
        """Windows to publish, the oldest first: closed ones that something was added to.

        Windows that can't get anything any more are forgotten.
        """
        for stream, progress in self._progress.items():
            watermark = self._watermark(progress, now)
            if watermark > progress.watermark:
                progress.watermark = watermark
                self._touched_progress.add(stream)
        for key in sorted(self._windows):
            window = self._windows[key]
            watermark = self._progress[key.model, key.environment].watermark
            if window.changed and window.end <= watermark:
                window.revision += 1
                window.changed = False
                self._touched_windows.add(key)
                yield key, window
            if window.end + self._allowed_lateness <= watermark:
                del self._windows[key]
                self._touched_windows.add(key)

    def _watermark(self, progress: _Progress, now: int) -> int:
        active = [
            newest
            for partition, newest in progress.newest.items()
            if now - progress.heard[partition] <= self._idle_after
        ]
        if active:
            return min(active) - self._out_of_orderness
        if not progress.newest:
            return _UNKNOWN
        quiet = now - max(progress.heard.values())
        return max(progress.newest.values()) - self._out_of_orderness + quiet

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for key in sorted(self._touched_windows):
            window = self._windows.get(key)
            name = ["window", key.model, key.environment, key.start, key.release]
            yield _json(name), None if window is None else _json(_window_state(window))
        for stream in sorted(self._touched_progress):
            progress = self._progress[stream]
            state = {"watermark": progress.watermark, "newest": sorted(progress.newest.items())}
            yield _json(["progress", *stream]), _json(state)
        self._touched_windows.clear()
        self._touched_progress.clear()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]], now: int) -> None:
        """Take over what `changes` once gave."""
        for name, value in state:
            match json.loads(name):
                case ["window", model, environment, start, release]:
                    key = WindowKey(model, environment, start, release)
                    if value is None:
                        self._windows.pop(key, None)
                    else:
                        self._windows[key] = _window(json.loads(value))
                case ["progress", model, environment] if value is not None:
                    saved = json.loads(value)
                    newest = dict(saved["newest"])
                    self._progress[model, environment] = _Progress(
                        newest, dict.fromkeys(newest, now), saved["watermark"]
                    )
                case other:
                    raise ValueError(f"state of an unknown kind: {other}")


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _window_state(window: Window) -> Record:
    profile = window.profile
    return {
        "end": window.end,
        "model_version": window.model_version,
        "code_version": window.code_version,
        "revision": window.revision,
        "changed": window.changed,
        "rows": profile.rows,
        "errors": profile.errors,
        "counts": [counts.tolist() for counts in profile.counts],
        "missing": profile.missing.tolist(),
    }


def _window(state: Record) -> Window:
    profile = Profile(
        state["rows"],
        state["errors"],
        tuple(np.array(counts, np.int64) for counts in state["counts"]),
        np.array(state["missing"], np.int64),
    )
    return Window(
        state["end"],
        state["model_version"],
        state["code_version"],
        profile,
        state["revision"],
        state["changed"],
    )
