"""Pure: the performance of one window, as a value, as kept state and as published."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from kedge.contracts import Record
from kedge.performance import Scores, Task, label_coverage, metrics, scores_from_json
from kedge.performance.concept_drift import Detection, concept_drift
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
class Assessment:
    """What is known of a window, or what a message adds to that.

    Attributes:
        model_version: of the release.
        code_version: of the release.
        predictions: in the window, as far as they are archived.
        scores: of those that are joined; None as long as no truth of the release has come.
        errors: rows that the detector of drift was given.
        rose: how often it found among them that errors have become more.
        fell: and how often that they have become fewer.
        undetectable: why it was not given others; empty if it was.
        revision: of the newest publication; -1 before the first.
        changed: whether something came since.
    """

    model_version: str
    code_version: str
    predictions: int = 0
    scores: Scores | None = None
    errors: int = 0
    rose: int = 0
    fell: int = 0
    undetectable: str = ""
    revision: int = -1
    changed: bool = True

    def plus(self, other: Self) -> Self:
        """This window with what is in `other` too."""
        # Both are of one task, and so of one type, which the union of types can't say.
        mine: Any = self.scores
        theirs: Any = other.scores
        return replace(
            self,
            predictions=self.predictions + other.predictions,
            scores=mine + theirs if mine and theirs else mine or theirs,
            errors=self.errors + other.errors,
            rose=self.rose + other.rose,
            fell=self.fell + other.fell,
            undetectable=self.undetectable or other.undetectable,
            changed=True,
        )

    def to_bytes(self) -> bytes:
        parts = {field: getattr(self, field) for field in self.__slots__}
        scores = None if self.scores is None else self.scores.to_json()
        return packed(parts | {"scores": scores})

    @classmethod
    def from_bytes(cls, task: Task | None, data: bytes) -> Self:
        parts = unpacked(data)
        if parts["scores"] is not None:
            assert task is not None, "where there are scores, the task was decided before"
            parts["scores"] = scores_from_json(task, parts["scores"])
        return cls(**parts)

    def published(self, window: Window) -> Record:
        """As in the `statistic` contract."""
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
            "rows": self.predictions,
            "errors": 0,
            "statistics": [each.to_record() for each in self._statistics()],
        }

    def _statistics(self) -> Iterator[Statistic]:
        if self.scores is None:
            yield label_coverage(0, self.predictions)
            return
        yield label_coverage(self.scores.rows + self.scores.unusable, self.predictions)
        yield from metrics(self.scores)
        if self.undetectable:
            yield Statistic("concept_drift", None, self.errors, note=self.undetectable)
        else:
            found = [Detection(0, rose) for rose in (True,) * self.rose + (False,) * self.fell]
            yield concept_drift(found, self.errors)


def packed(value: Any) -> bytes:
    """A value of the state; most of it are counts of bins, which are small then."""
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)


def unpacked(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))
