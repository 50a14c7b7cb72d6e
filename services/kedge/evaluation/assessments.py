"""Pure: the fold of joined predictions into the performance of windows.

One `Assessments` holds what one partition of the performance topic brings. Its state goes in and
out as keys and values, so it lives in a compacted topic.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

from kedge.contracts import Record
from kedge.evaluation.error_stream import ErrorStream
from kedge.performance import (
    Scores,
    Task,
    infer_task,
    label_coverage,
    metrics,
    no_scores,
    scores_from_json,
    scores_of,
)
from kedge.performance.concept_drift import DEFAULT_DETECTOR, Detection, concept_drift
from kedge.profile import Reference
from kedge.statistics import Statistic

PART = "performance"
"""The part of a window's statistics that this is; see the `statistic` contract."""


class Release(NamedTuple):
    """One release in one environment."""

    model: str
    environment: str
    number: int


class Window(NamedTuple):
    """One base window of one release."""

    start: int
    end: int
    release: Release


@dataclass(frozen=True, slots=True)
class _Assessment:
    """What is known of a window.

    Attributes:
        model_version: of the release.
        code_version: of the release.
        predictions: in the window, as far as they are archived.
        scores: of those that are joined.
        errors: rows that the detector of drift was given.
        rose: how often it found among them that errors have become more.
        fell: and how often that they have become fewer.
        undetectable: why it was not given others; empty if it was.
        revision: of the newest publication; -1 before the first.
        changed: whether something came since.
    """

    model_version: str
    code_version: str
    predictions: int
    scores: Scores
    errors: int = 0
    rose: int = 0
    fell: int = 0
    undetectable: str = ""
    revision: int = -1
    changed: bool = True

    def drift(self) -> Statistic:
        if self.undetectable:
            return Statistic("concept_drift", None, self.errors, note=self.undetectable)
        found = [Detection(0, rose) for rose in (True,) * self.rose + (False,) * self.fell]
        return concept_drift(found, self.errors)

    def to_bytes(self) -> bytes:
        parts = {field: getattr(self, field) for field in self.__slots__}
        return _packed(parts | {"scores": self.scores.to_json()})

    @classmethod
    def from_bytes(cls, task: Task, data: bytes) -> Self:
        parts = _unpacked(data)
        return cls(**parts | {"scores": scores_from_json(task, parts["scores"])})


class TooLateError(Exception):
    """The window is no longer kept."""


class Assessments:
    """Windows of the models of one partition. All times are in microseconds.

    A window is kept until the newest one of its model and environment is `keep` past its end.

    Args:
        keep: twice the evaluators' horizon, as one of them may be that far behind another.
        detector: of drift in the error stream, by name.
    """

    def __init__(self, *, keep: int, detector: str = DEFAULT_DETECTOR) -> None:
        self._keep, self._detector = keep, detector
        self._tasks: dict[Release, Task] = {}
        self._streams: dict[Release, ErrorStream] = {}
        # End of the newest window of each model and environment.
        self._newest: dict[tuple[str, ...], int] = {}
        # Packed: a week of minutes is ten thousand of each release, and few change at a time.
        self._windows: dict[Window, bytes] = {}
        self._changed: dict[Window, None] = {}
        self._touched: dict[Window, None] = {}
        self._decided: dict[Release, None] = {}

    def add(self, joined: Record, reference: Reference) -> None:
        """Add joined predictions to their window.

        What a release's outputs are compared as is decided by its first truths, and stays.

        Args:
            joined: as in the `performance` contract.
            reference: of the release.

        Raises:
            TooLateError: the window is no longer kept.
            ValueError: the truths don't go together with the output.
        """
        release = Release(joined["model"], joined["environment"], joined["release"])
        window = Window(joined["window_start"], joined["window_end"], release)
        newest = max(window.end, self._newest.get(release[:2], window.end))
        if window.end <= newest - self._keep:
            raise TooLateError(
                f"its window ended at {window.end}; the newest of the model at {newest}, and none "
                f"is kept for more than {self._keep} microseconds"
            )
        task = self._task(release, joined, reference)
        data = self._windows.get(window)
        if task is None or (data is None and not joined["truths"]):
            return
        if data is None:
            before = _Assessment(
                joined["model_version"], joined["code_version"], 0, no_scores(task)
            )
        else:
            before = _Assessment.from_bytes(task, data)
        # All of one task, and so of one type, which the union of types can't say.
        scores: Any = before.scores
        scores = scores + _scores(task, joined, "truths") - _scores(task, joined, "replaced")
        predictions = max(before.predictions, joined["predictions"])
        after = replace(before, predictions=predictions, scores=scores, changed=True)
        self._newest[release[:2]] = newest
        self._put(window, self._watched(release, joined, after))

    def publish(self) -> Iterator[Record]:
        """What has changed since the last call, as records of the `statistic` contract.

        Windows come in the order of time. Those that are no longer kept are forgotten.
        """
        for window in sorted(self._changed):
            before = _Assessment.from_bytes(self._tasks[window.release], self._windows[window])
            after = replace(before, revision=before.revision + 1, changed=False)
            self._put(window, after)
            yield _published(window, after)
        self._changed.clear()
        self._forget()

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for release in self._decided:
            task, errors = self._tasks[release], self._streams[release]
            yield _key(release), _packed({"task": task.to_json(), "errors": errors.to_json()})
        for window in self._touched:
            name = _key(window.release, window.start, window.end)
            yield name, self._windows.get(window)
        self._decided.clear()
        self._touched.clear()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over what `changes` once gave. What was not published then is due again."""
        # The newest of each key alone: a detector takes a while to be made again.
        for name, data in dict(state).items():
            model, environment, number, *span = json.loads(name)
            release = Release(model, environment, number)
            if not span:
                known = _unpacked(data or b"")
                task = self._tasks[release] = Task.from_json(known["task"])
                self._streams[release] = ErrorStream.from_json(
                    self._detector, task, known["errors"]
                )
                continue
            window = Window(span[0], span[1], release)
            if data is None:
                self._windows.pop(window, None)
            else:
                self._windows[window] = data
        for window, data in self._windows.items():
            scope = window.release[:2]
            self._newest[scope] = max(window.end, self._newest.get(scope, window.end))
            if _unpacked(data)["changed"]:
                self._changed[window] = None

    def _task(self, release: Release, joined: Record, reference: Reference) -> Task | None:
        """What the release's outputs are compared as; None as long as no truth says it."""
        if release not in self._tasks:
            truths = [truth for truth in joined["truths"] if truth is not None]
            if not truths:
                return None
            task = infer_task(reference, truths, output=joined["output"])
            self._tasks[release], self._streams[release] = task, ErrorStream(self._detector, task)
            self._decided[release] = None
        return self._tasks[release]

    def _watched(self, release: Release, joined: Record, window: _Assessment) -> _Assessment:
        """The window after the detector was given the rows whose truth is their first."""
        truths, replaced = joined["truths"], joined["replaced"]
        outputs, first = _where(
            joined,
            "truths",
            (t is not None and r is None for t, r in zip(truths, replaced, strict=True)),
        )
        if not first:
            return window
        self._decided[release] = None
        try:
            errors, found = self._streams[release].update(outputs, first)
        except ValueError as error:
            return replace(window, undetectable=str(error))
        rose = sum(detection.rose for detection in found)
        return replace(
            window,
            errors=window.errors + errors,
            rose=window.rose + rose,
            fell=window.fell + len(found) - rose,
        )

    def _put(self, window: Window, assessment: _Assessment) -> None:
        self._windows[window] = assessment.to_bytes()
        self._touched[window] = None
        if assessment.changed:
            self._changed[window] = None

    def _forget(self) -> None:
        for window in list(self._windows):
            if window.end <= self._newest[window.release[:2]] - self._keep:
                del self._windows[window]
                self._touched[window] = None


def _scores(task: Task, joined: Record, side: str) -> Scores:
    """Of the rows that have a truth on this side: `truths` or `replaced`."""
    return scores_of(task, *_where(joined, side, (truth is not None for truth in joined[side])))


def _where(joined: Record, side: str, wanted: Iterable[bool]) -> tuple[list[Any], list[Any]]:
    """Outputs, and truths of one side, of the rows that are wanted."""
    rows = [row for row, there in enumerate(wanted) if there]
    outputs, truths = joined["outputs"], joined[side]
    return [outputs[row] for row in rows], [truths[row] for row in rows]


def _published(window: Window, assessment: _Assessment) -> Record:
    scores = assessment.scores
    coverage = label_coverage(scores.rows + scores.unusable, assessment.predictions)
    return {
        "model": window.release.model,
        "model_version": assessment.model_version,
        "code_version": assessment.code_version,
        "release": window.release.number,
        "environment": window.release.environment,
        "window_start": window.start,
        "window_end": window.end,
        "part": PART,
        "revision": assessment.revision,
        "rows": assessment.predictions,
        "errors": 0,
        "statistics": [
            each.to_record() for each in (coverage, *metrics(scores), assessment.drift())
        ],
    }


def _key(release: Release, *span: int) -> bytes:
    return json.dumps([*release, *span], separators=(",", ":")).encode()


def _packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 1)


def _unpacked(data: bytes) -> Any:
    return json.loads(zlib.decompress(data))
