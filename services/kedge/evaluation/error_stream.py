"""Pure: the errors of one release in the order in which truths were counted, and their drift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from kedge.performance import Task, errors_of
from kedge.performance.concept_drift import ConceptDrift, Detection

_USUAL = 100
"""Errors of a regression that say what size is usual."""


class ErrorStream:
    """A detector on the errors of one release.

    The errors of a regression are measured in units of the mean of the first hundred, as detectors
    are made for errors of about one. Until these have come, none is given to the detector.

    Args:
        detector: by its name in `kedge.performance.concept_drift`.
        task: what the release's predictions are of.
    """

    def __init__(self, detector: str, task: Task) -> None:
        self._task, self._detector = task, ConceptDrift(detector)
        self._scale = None if task.kind == "regression" else 1.0
        self._first: list[float] = []

    def update(self, outputs: Sequence[Any], truths: Sequence[Any]) -> tuple[int, list[Detection]]:
        """Take joined rows; how many were usable, and what was detected among them.

        Raises:
            ValueError: the detector does not take such errors; then it has taken none.
        """
        errors = errors_of(self._task, outputs, truths)
        errors = errors[~np.isnan(errors)]
        if self._scale is not None:
            return len(errors), self._detector.update(errors / self._scale)
        self._first += errors.tolist()
        if len(self._first) < _USUAL:
            return len(errors), []
        first, self._first = np.array(self._first), []
        self._scale = float(np.mean(first[:_USUAL])) or 1.0
        return len(errors), self._detector.update(first / self._scale)

    def to_json(self) -> dict[str, Any]:
        return {
            "detector": self._detector.to_json(),
            "scale": self._scale,
            "first": self._first,
        }

    @classmethod
    def from_json(cls, detector: str, task: Task, data: dict[str, Any]) -> Self:
        """Go on from what `to_json` gave, if it is of the same detector; else start anew."""
        stream = cls(detector, task)
        if data["detector"]["name"] == detector:
            stream._detector = ConceptDrift.from_json(data["detector"])
            stream._scale, stream._first = data["scale"], data["first"]
        return stream
