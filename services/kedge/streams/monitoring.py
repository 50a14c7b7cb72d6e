"""Pure: the windows of a partition of the profiles topic, and their statistics as they close."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from kedge.contracts import Record
from kedge.performance import estimates
from kedge.profile import Profile, Reference
from kedge.statistics import (
    Past,
    Traffic,
    operational_statistics,
    trend_statistics,
    window_statistics,
)
from kedge.streams.evidence import EvidenceFolds
from kedge.streams.known import KnownRelease
from kedge.streams.window import Window, WindowKey
from kedge.streams.windows import Windows


class Monitoring:
    """Profiles in, records of the `statistic` contract out.

    Args:
        windows: what profiles are added to, given how a window without rows looks.
        evidence: of the releases of these windows.
        known: a release by its model and number; None where there is none.
    """

    def __init__(
        self,
        windows: Callable[[Callable[[WindowKey], Profile]], Windows],
        evidence: EvidenceFolds,
        known: Callable[[str, int], KnownRelease | None],
    ) -> None:
        self._evidence, self._release = evidence, known
        self._windows = windows(self._empty)

    def add(self, delta: Record, profile: Profile, now: int) -> bool:
        """Add one delta profile; see `Windows.add`."""
        return self._windows.add(delta, profile, now)

    def published(self, now: int) -> Iterator[Record]:
        """The statistics of the windows that close now, as in the `statistic` contract."""
        for key, window in self._windows.close(now):
            told = self._windows.traffic(key, window), self._windows.past(key, window)
            yield self._statistics(key, window, *told)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        yield from self._windows.changes()
        yield from self._evidence.changes()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]], now: int) -> None:
        """Take over what `changes` once gave."""
        evidence = self._evidence
        of_windows = [(name, value) for name, value in state if not evidence.restore(name, value)]
        self._windows.restore(of_windows, now)

    def _statistics(
        self, key: WindowKey, window: Window, traffic: Traffic, past: Sequence[Past]
    ) -> Record:
        profile, known = window.profile, self._known(key.model, key.release)
        statistics = (
            *window_statistics(profile, known.reference),
            *(trend_statistics(past, known.reference) if profile.rows else ()),
            *operational_statistics(profile, traffic),
            *estimates(known.estimator, known.reference, profile.expectation),
            *self._evidence.statistics(key, window, partial(self._reference, key.model)),
        )
        return {
            "model": key.model,
            "model_version": window.model_version,
            "code_version": window.code_version,
            "release": key.release,
            "environment": key.environment,
            "clock": "event",
            "window_start": key.start,
            "window_end": window.end,
            "part": "predictions",
            "revision": window.revision,
            "rows": profile.rows,
            "errors": profile.errors,
            "statistics": [each.to_record() for each in statistics],
        }

    def _empty(self, key: WindowKey) -> Profile:
        return Profile.empty(self._reference(key.model, key.release))

    def _known(self, model: str, number: int) -> KnownRelease:
        known = self._release(model, number)
        assert known is not None, "a window's release was known when its first delta was added"
        return known

    def _reference(self, model: str, number: int) -> Reference:
        return self._known(model, number).reference
