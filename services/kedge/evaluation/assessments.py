"""Pure: the fold of joined predictions into the performance of windows.

One `Assessments` holds what one partition of the performance topic brings. Its state goes in and
out as keys and values, so it lives in a compacted topic.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kedge.contracts import Record
from kedge.evaluation.assessment import (
    Assessment,
    Performance,
    Release,
    Window,
    packed,
    unpacked,
)
from kedge.evaluation.error_stream import Drift, ErrorStream
from kedge.performance import (
    AnyEstimator,
    Cbpe,
    Task,
    TrackRecord,
    infer_task,
    registered_task,
    scores_of,
)
from kedge.performance.concept_drift import DEFAULT_DETECTOR
from kedge.profile import Expectation, Reference
from kedge.statistics import Statistic

Detectors = Callable[[str, str], Sequence[str]]
"""Of a model and an environment, which detectors look for drift in the error stream, by name."""


Estimates = Callable[[Release, Expectation], Iterable[Statistic]]
"""What the estimator of a release makes of an expectation; see `kedge.performance.estimates`."""


class TooLateError(Exception):
    """The window is no longer kept."""


class Assessments:
    """Windows of the models of one partition. All times are in microseconds.

    Longer windows follow each other without overlapping: each message changes one of each length.
    Scores can be added and taken out without rounding, so a longer window is what its messages add
    up to, like any other. One that is new is the sum of the base windows that are there.

    Args:
        base: length of a base window.
        longer: lengths of the longer windows.
        keep: a window is kept until the newest of its model and environment is so far past its
            end: twice the evaluators' horizon, as one may be that far behind another, and the
            longest window.
        estimates: of the releases; none by default.
        detectors: of each model and environment.
    """

    def __init__(
        self,
        *,
        base: int,
        keep: int,
        longer: Sequence[int] = (),
        estimates: Estimates = lambda _release, _expectation: (),
        detectors: Detectors = lambda _model, _environment: (DEFAULT_DETECTOR,),
    ) -> None:
        self._base, self._longer, self._keep = base, longer, keep
        self._estimates, self._detectors = estimates, detectors
        self._tasks: dict[Release, Task] = {}
        self._streams: dict[Release, ErrorStream] = {}
        self._records: dict[Release, TrackRecord] = {}
        # End of the newest window of each model and environment.
        self._newest: dict[tuple[str, ...], int] = {}
        # Packed: a week of minutes is ten thousand of each release, and few change at a time.
        self._windows: dict[Window, bytes] = {}
        self._changed: dict[Window, None] = {}
        self._touched: dict[Window, None] = {}
        self._decided: dict[Release, None] = {}

    def add(
        self, joined: Record, reference: Reference, estimator: AnyEstimator | None = None
    ) -> None:
        """Add joined predictions to their windows.

        What a release's outputs are compared as was decided when the model was registered with the
        truth, or else is by its first truths, and stays.

        Args:
            joined: as in the `performance` contract.
            reference: of the release.
            estimator: of the reference, if it has one.

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
        empty = Assessment(joined["model_version"], joined["code_version"])
        before = self._of(window) or empty
        segments = {
            each["name"]: _change(
                task, joined, each, before.segments.get(each["name"], Performance())
            )
            for each in joined["segments"]
        }
        whole = _change(task, joined, joined, before.whole)
        if not joined["truths"] and not any(
            each.predictions for each in (whole, *segments.values())
        ):
            return
        drift = {} if task is None else self._drift(release, joined)
        expected = _expected(estimator, joined) if isinstance(estimator, Cbpe) else Expectation()
        change = replace(empty, whole=whole, segments=segments, drift=drift, expectation=expected)
        self._newest[release[:2]] = newest
        self._put(window, before.plus(change))
        for length in self._longer:
            self._add_to_longer(window, length, change)

    def _add_to_longer(self, window: Window, length: int, change: Assessment) -> None:
        start = window.start // length * length
        longer = Window(start, start + length, window.release)
        known = self._of(longer)
        if known is not None:
            self._put(longer, known.plus(change))
            return
        for part in list(self._windows):
            if (
                part.release == window.release
                and part.length == self._base
                and start <= part.start < longer.end
            ):
                base = self._of(part)
                assert base is not None, "it is among the windows"
                known = replace(base, revision=-1) if known is None else known.plus(base)
        assert known is not None, "the window itself is one of its parts"
        self._put(longer, replace(known, changed=True))

    def publish(self) -> Iterator[Record]:
        """What has changed since the last call, as records of the `statistic` contract.

        Windows come in the order of time; of those that end together, the shorter ones first. Those
        that are no longer kept are forgotten.
        """
        for window in sorted(self._changed, key=lambda each: (each.end, -each.start, each.release)):
            before = self._of(window)
            assert before is not None, "what has changed is there"
            errors = before.estimation_errors(self._estimates(window.release, before.expectation))
            record = self._records.get(window.release, TrackRecord())
            mine = before.record
            if window.length == self._base:
                mine = TrackRecord.of(errors)
                record = self._records[window.release] = record - before.record + mine
                self._decided[window.release] = None
            after = replace(before, revision=before.revision + 1, changed=False, record=mine)
            self._put(window, after)
            yield after.published(window, (*errors, *record.means()) if errors else ())
        self._changed.clear()
        for window in list(self._windows):
            if window.end <= self._newest[window.release[:2]] - self._keep:
                self._drop(window)

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for release in self._decided:
            if release not in self._tasks:
                continue  # without a truth, nothing was decided
            task, errors = self._tasks[release], self._streams[release]
            record = self._records.get(release, TrackRecord())
            parts = {"task": task.to_json(), "errors": errors.to_json(), "record": record.to_json()}
            yield _key(release), packed(parts)
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
            if data is None:
                continue
            if span:
                self._windows[Window(span[0], span[1], release)] = data
                continue
            known = unpacked(data)
            task = self._tasks[release] = Task.from_json(known["task"])
            self._records[release] = TrackRecord.from_json(known.get("record", {}))
            detectors = self._detectors(model, environment)
            self._streams[release] = ErrorStream.from_json(detectors, task, known["errors"])
        for window, data in list(self._windows.items()):
            if window.length != self._base and window.length not in self._longer:
                # Should its length come back, it would lack what came meanwhile.
                self._drop(window)
                continue
            if window.length == self._base:
                scope = window.release[:2]
                self._newest[scope] = max(window.end, self._newest.get(scope, window.end))
            if unpacked(data)["changed"]:
                self._changed[window] = None

    def _task(self, release: Release, joined: Record, reference: Reference) -> Task | None:
        """What the release's outputs are compared as; None as long as no truth says it."""
        if release not in self._tasks:
            truths = [truth for truth in joined["truths"] if truth is not None]
            if not truths:
                return None
            task = registered_task(reference)
            if task is None or task.output != joined["output"]:
                task = infer_task(reference, truths, output=joined["output"])
            detectors = self._detectors(release.model, release.environment)
            self._tasks[release], self._streams[release] = task, ErrorStream(detectors, task)
            self._decided[release] = None
        return self._tasks[release]

    def _drift(self, release: Release, joined: Record) -> Mapping[str, Drift]:
        """What the detectors find in the rows whose truth is their first."""
        rows = [row for row, replaced in enumerate(joined["replaced"]) if replaced is None]
        outputs, truths = _known(joined, "truths", rows)
        if truths:
            self._decided[release] = None
        return self._streams[release].update(outputs, truths)

    def _of(self, window: Window) -> Assessment | None:
        data = self._windows.get(window)
        task = self._tasks.get(window.release)
        return None if data is None else Assessment.from_bytes(task, data)

    def _put(self, window: Window, assessment: Assessment) -> None:
        self._windows[window] = assessment.to_bytes()
        self._touched[window] = None
        if assessment.changed:
            self._changed[window] = None

    def _drop(self, window: Window) -> None:
        del self._windows[window]
        self._touched[window] = None


def _change(task: Task | None, joined: Record, part: Record, before: Performance) -> Performance:
    """What the message adds to a part of its window.

    Args:
        task: None as long as there is no truth.
        joined: the message.
        part: of it: one of its segments, or the message itself.
        before: what is known of the part.
    """
    more = max(0, part["predictions"] - before.predictions)
    if task is None:
        return Performance(more)
    rows = part.get("rows", range(len(joined["truths"])))
    came, went = (scores_of(task, *_known(joined, side, rows)) for side in ("truths", "replaced"))
    scores: Any = came
    return Performance(more, scores - went)  # of one task, so of one type


def _expected(estimator: Cbpe, joined: Record) -> Expectation:
    """What the message adds to what could be expected of its window's labelled rows."""
    rows = range(len(joined["truths"]))
    came, went = (
        estimator.expect_labelled(*_known(joined, side, rows)) for side in ("truths", "replaced")
    )
    return came - went


def _known(joined: Record, side: str, rows: Iterable[int]) -> tuple[list[Any], list[Any]]:
    """Outputs, and truths of one side, of those of the rows that have one."""
    outputs, truths = joined["outputs"], joined[side]
    there = [row for row in rows if truths[row] is not None]
    return [outputs[row] for row in there], [truths[row] for row in there]


def _key(release: Release, *span: int) -> bytes:
    return json.dumps([*release, *span], separators=(",", ":")).encode()
