"""Pure: the performance of one window, as a value, as kept state and as published."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple, Self

from kedge.contracts import Record
from kedge.evaluation.error_stream import Drift
from kedge.performance import (
    Scores,
    Task,
    TrackRecord,
    label_coverage,
    metrics,
    reconcile,
    scores_from_json,
)
from kedge.profile import Expectation
from kedge.statistics import Statistic

PART = "performance"
"""The part of a window's statistics that this is; see the `statistic` contract."""


class Release(NamedTuple):
    """One release in one environment."""

    model: str
    environment: str
    number: int


class Window(NamedTuple):
    """One window of one release."""

    start: int
    end: int
    release: Release

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Performance:
    """Of a window, or of one segment of it.

    Attributes:
        predictions: there, as far as they are archived.
        scores: of those that are joined; None as long as no truth of the release has come.
    """

    predictions: int = 0
    scores: Scores | None = None

    def plus(self, other: Self) -> Self:
        # Both are of one task, and so of one type, which the union of types can't say.
        mine: Any = self.scores
        theirs: Any = other.scores
        return replace(
            self,
            predictions=self.predictions + other.predictions,
            scores=mine + theirs if mine and theirs else mine or theirs,
        )

    def to_json(self) -> list[Any]:
        return [self.predictions, None if self.scores is None else self.scores.to_json()]

    @classmethod
    def from_json(cls, task: Task | None, data: list[Any]) -> Self:
        predictions, scores = data
        if scores is None:
            return cls(predictions)
        assert task is not None, "where there are scores, the task was decided before"
        return cls(predictions, scores_from_json(task, scores))

    def statistics(self, segment: str | None = None) -> Iterator[Statistic]:
        scores = self.scores
        joined = 0 if scores is None else scores.rows + scores.unusable
        yield label_coverage(joined, self.predictions, segment)
        if scores is not None:
            yield from metrics(scores, segment)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What is known of a window, or what a message adds to that.

    Attributes:
        model_version: of the release.
        code_version: of the release.
        whole: of all its rows.
        segments: of its segments, by name.
        drift: what each detector of drift in the error stream found, by its name.
        expectation: of the rows that have a usable truth, by what could be known before it came.
        record: what the window has added to the release's record of estimates.
        revision: of the newest publication; -1 before the first.
        changed: whether something came since.
    """

    model_version: str
    code_version: str
    whole: Performance = Performance()
    segments: Mapping[str, Performance] = field(default_factory=dict)
    drift: Mapping[str, Drift] = field(default_factory=dict)
    expectation: Expectation = field(default_factory=Expectation)
    record: TrackRecord = field(default_factory=TrackRecord)
    revision: int = -1
    changed: bool = True

    def plus(self, other: Self) -> Self:
        """This window with what is in `other` too."""
        segments, drift = dict(self.segments), dict(self.drift)
        for name, theirs in other.segments.items():
            segments[name] = segments.get(name, Performance()).plus(theirs)
        for name, found in other.drift.items():
            drift[name] = drift.get(name, Drift()).plus(found)
        return replace(
            self,
            whole=self.whole.plus(other.whole),
            segments=segments,
            drift=drift,
            expectation=self.expectation + other.expectation,
            changed=True,
        )

    def to_bytes(self) -> bytes:
        parts = {name: getattr(self, name) for name in self.__slots__}
        own = {
            "whole": self.whole.to_json(),
            "segments": {name: each.to_json() for name, each in self.segments.items()},
            "drift": {name: asdict(found) for name, found in self.drift.items()},
            "expectation": self.expectation.to_record(),
            "record": self.record.to_json(),
        }
        return packed(parts | own)

    @classmethod
    def from_bytes(cls, task: Task | None, data: bytes) -> Self:
        parts = unpacked(data)
        own = {
            "whole": Performance.from_json(task, parts["whole"]),
            "segments": {
                name: Performance.from_json(task, each) for name, each in parts["segments"].items()
            },
            "drift": {name: Drift(**found) for name, found in parts["drift"].items()},
            "expectation": Expectation.from_record(parts.get("expectation")),
            "record": TrackRecord.from_json(parts.get("record", {})),
        }
        return cls(**parts | own)

    def estimation_errors(self, estimated: Iterable[Statistic]) -> list[Statistic]:
        """How far estimates from the same rows were off.

        Args:
            estimated: from `expectation`.
        """
        scores = self.whole.scores
        return list(reconcile(estimated, () if scores is None else metrics(scores)))

    def published(self, window: Window, more: Iterable[Statistic]) -> Record:
        """As in the `statistic` contract.

        Args:
            window: that it is of.
            more: statistics about the estimates; without any truth they are left out.
        """
        return {
            "model": window.release.model,
            "model_version": self.model_version,
            "code_version": self.code_version,
            "release": window.release.number,
            "environment": window.release.environment,
            "window_start": window.start,
            "window_end": window.end,
            "part": PART,
            "revision": self.revision,
            "rows": self.whole.predictions,
            "errors": 0,
            "statistics": [each.to_record() for each in self._statistics(more)],
        }

    def _statistics(self, more: Iterable[Statistic]) -> Iterator[Statistic]:
        yield from self.whole.statistics()
        if self.whole.scores is not None:
            yield from more
        for detector, found in self.drift.items():
            yield found.statistic(detector)
        for name, segment in sorted(self.segments.items()):
            yield from segment.statistics(name)


def packed(value: Any) -> bytes:
    """A value of the state; most of it are counts of bins, which are small then."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)


def unpacked(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))
