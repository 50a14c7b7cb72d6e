"""Pure: the evidence of every release of a partition, folded over its base windows.

Base windows are folded in the order in which they are first published. The experts remember past
windows, so longer windows add nothing to the evidence: they are given that of their last base
window.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from kedge.contracts import Record
from kedge.profile import Reference
from kedge.statistics import Evidence, Season, Statistic
from kedge.streams.window import Stream, Window, WindowKey, as_bytes

SNAPSHOT_EVERY = 16
"""Windows of a release from one snapshot of its evidence to the next; between them the windows
themselves are kept, which are much smaller, and a restart folds them again."""

RELEASES = 16
"""Releases of a stream that are remembered; of more, the longest without a window is forgotten."""

_AFTER = "of the window's first publication: evidence is not gone back on"


class _Release(NamedTuple):
    model: str
    environment: str
    number: int

    @property
    def stream(self) -> Stream:
        return Stream(self.model, self.environment)


@dataclass(slots=True)
class _Fold:
    """The evidence of a release.

    Attributes:
        last: start of its latest window, microseconds.
        evidence: as it was kept, until it is needed again.
        windows: how many were folded.
        snapshot: how many of them are in what was kept last.
        unwritten: windows since the last call of `changes`, by number.
    """

    last: int
    evidence: Evidence | Record
    windows: int = 0
    snapshot: int = -SNAPSHOT_EVERY
    unwritten: dict[int, Record] = field(default_factory=dict)


class EvidenceFolds:
    """The folds of one partition.

    A release that gets traffic again goes on where it stopped: what it has shown is not forgotten,
    and falls by itself when its windows are as they should be. A new release begins anew, but for
    the natural variation, which is the traffic's and is taken over from the release that had the
    last window.

    Args:
        base_window: length of a base window; microseconds.
        keep: how long after its start the values of a window may be asked for again; microseconds.
        season_of: of each model and environment; none by default.
        options: of `Evidence`.
    """

    def __init__(
        self,
        *,
        base_window: int,
        keep: int,
        season_of: Callable[[str, str], Season | None] = lambda _model, _environment: None,
        **options: Any,
    ) -> None:
        self._base_window, self._keep = base_window, keep
        self._season_of, self._options = season_of, options
        self._folds: dict[_Release, _Fold] = {}
        # Windows after the snapshot of a release, by number modulo `SNAPSHOT_EVERY`, as restored.
        self._since: dict[_Release, dict[int, Record]] = {}
        self._values: dict[_Release, dict[int, list[Statistic]]] = {}
        self._touched: set[_Release] = set()
        self._touched_values: set[tuple[_Release, int]] = set()

    def statistics(
        self, key: WindowKey, window: Window, reference_of: Callable[[int], Reference]
    ) -> Sequence[Statistic]:
        """What to publish of the evidence with a window.

        Args:
            key: of the window.
            window: as it is published now.
            reference_of: of a release of the model, by its number.
        """
        release = _Release(key.model, key.environment, key.release)
        if window.end - key.start != self._base_window:
            return self._of_longer(release, key.start, window.end)
        values = self._values.setdefault(release, {})
        if window.revision > 0:
            if key.start not in values:
                return [Statistic("evidence", None, window.profile.rows, note="no longer kept")]
            return [
                replace(each, note=f"{each.note}; {_AFTER}" if each.note else _AFTER)
                for each in values[key.start]
            ]
        fold = self._folds.get(release)
        if fold is None:
            fold = self._begun(release, key.start, reference_of)
        evidence = self._resumed(release, fold, reference_of)
        statistics = evidence.observe(window.profile, key.start)
        fold.last = max(fold.last, key.start)
        fold.windows += 1
        fold.unwritten[fold.windows] = evidence.window(window.profile, key.start)
        values[key.start] = statistics
        self._touched.add(release)
        self._touched_values.add((release, key.start))
        for start in [start for start in values if start + self._keep < fold.last]:
            del values[start]
            self._touched_values.add((release, start))
        return statistics

    def _of_longer(self, release: _Release, start: int, end: int) -> list[Statistic]:
        within = {
            base: values
            for base, values in self._values.get(release, {}).items()
            if start <= base < end
        }
        if not within:
            return []
        note = "of its last base window"
        return [
            replace(each, note=f"{each.note}; {note}" if each.note else note)
            for each in within[max(within)]
            if each.column is None
        ]

    def _begun(
        self, release: _Release, start: int, reference_of: Callable[[int], Reference]
    ) -> _Fold:
        others = [other for other in self._folds if other.stream == release.stream]
        last = max(others, key=lambda each: (self._last(each), each.number), default=None)
        evidence = Evidence(
            reference_of(release.number),
            earlier=last and self._resumed(last, self._folds[last], reference_of),
            season=self._season_of(*release.stream),
            **self._options,
        )
        fold = self._folds[release] = _Fold(start, evidence)
        self._forget(release)
        return fold

    def _resumed(
        self, release: _Release, fold: _Fold, reference_of: Callable[[int], Reference]
    ) -> Evidence:
        if not isinstance(fold.evidence, Evidence):
            state, reference = fold.evidence, reference_of(release.number)
            fold.last = self._last(release)
            options = {"season": self._season_of(*release.stream), **self._options}
            since = {each["number"]: each for each in self._since.pop(release, {}).values()}
            try:
                fold.evidence = Evidence.from_json(state, reference, **options)
                for number in sorted(number for number in since if number > fold.snapshot):
                    fold.evidence.follow(since[number])
            except ValueError:
                # Settings, policy or Kedge itself have changed what the null is: nothing that was
                # learned fits.
                fold.evidence = Evidence(reference, **options)
                fold.snapshot = fold.windows - SNAPSHOT_EVERY
            fold.windows = max([fold.windows, *since])
        return fold.evidence

    def _forget(self, newest: _Release) -> None:
        mine = [release for release in self._folds if release.stream == newest.stream]
        by_age = sorted(mine, key=lambda each: (self._last(each), each.number))
        for release in by_age[:-RELEASES]:
            if release == newest:
                continue
            del self._folds[release]
            self._since.pop(release, None)
            self._touched.add(release)
            for start in self._values.pop(release, {}):
                self._touched_values.add((release, start))

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for release in sorted(self._touched):
            yield from self._changes_of(release)
        for release, start in sorted(self._touched_values):
            values = self._values.get(release, {}).get(start)
            kept = None if values is None else as_bytes([_known(each) for each in values])
            yield as_bytes(["evidence_of", *release, start]), kept
        self._touched.clear()
        self._touched_values.clear()

    def _changes_of(self, release: _Release) -> Iterator[tuple[bytes, bytes | None]]:
        name = as_bytes(["evidence", *release])
        fold = self._folds.get(release)
        if fold is None:
            yield name, None
            for place in range(SNAPSHOT_EVERY):
                yield as_bytes(["evidence_since", *release, place]), None
            return
        assert isinstance(fold.evidence, Evidence)
        if fold.windows - fold.snapshot >= SNAPSHOT_EVERY:
            fold.snapshot = fold.windows
            kept = {"last": fold.last, "folded": fold.windows, **fold.evidence.to_json()}
            yield name, as_bytes(kept)
        else:
            # In the place of a window that the snapshot has.
            for number, window in fold.unwritten.items():
                where = as_bytes(["evidence_since", *release, number % SNAPSHOT_EVERY])
                yield where, as_bytes({"number": number, **window})
        fold.unwritten.clear()

    def restore(self, name: bytes, value: bytes | None) -> bool:
        """Take over what `changes` once gave; False when it is not the state of evidence."""
        known = None if value is None else json.loads(value)
        match json.loads(name):
            case ["evidence", model, environment, number]:
                release = _Release(model, environment, number)
                if known is None:
                    self._folds.pop(release, None)
                else:
                    last, windows = known.pop("last"), known.pop("folded")
                    self._folds[release] = _Fold(last, known, windows, windows)
            case ["evidence_since", model, environment, number, place]:
                since = self._since.setdefault(_Release(model, environment, number), {})
                if known is None:
                    since.pop(place, None)
                else:
                    since[place] = known
            case ["evidence_of", model, environment, number, start]:
                values = self._values.setdefault(_Release(model, environment, number), {})
                if known is None:
                    values.pop(start, None)
                else:
                    values[start] = [Statistic(**{"value": None, **each}) for each in known]
            case _:
                return False
        return True

    def _last(self, release: _Release) -> int:
        """When its latest window started, of those too that are not folded again yet."""
        since: list[int] = [each["start"] for each in self._since.get(release, {}).values()]
        return max([self._folds[release].last, *since])


def _known(statistic: Statistic) -> Record:
    return {name: value for name, value in statistic.to_record().items() if value is not None}
