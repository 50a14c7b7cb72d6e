"""Pure: the errors of one release in the order in which truths were counted, and their drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from kedge.contracts.predictions import Floats
from kedge.performance import Task, errors_of
from kedge.performance.concept_drift import ConceptDrift, Detection, concept_drift
from kedge.statistics import Statistic

_USUAL = 100
"""Errors of a regression that say what size is usual."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What one detector found in a window.

    Attributes:
        errors: rows that it was given.
        rose: how often it found among them that errors have become more.
        fell: and how often that they have become fewer.
        undetectable: why it was not given others; empty if it was.
    """

    errors: int = 0
    rose: int = 0
    fell: int = 0
    undetectable: str = ""

    def plus(self, other: Self) -> Self:
        """What was found in both."""
        return replace(
            self,
            errors=self.errors + other.errors,
            rose=self.rose + other.rose,
            fell=self.fell + other.fell,
            undetectable=self.undetectable or other.undetectable,
        )

    def statistic(self, detector: str) -> Statistic:
        if self.undetectable:
            return Statistic(
                "concept_drift", None, self.errors, kind=detector, note=self.undetectable
            )
        found = [Detection(0, rose) for rose in (True,) * self.rose + (False,) * self.fell]
        return concept_drift(detector, found, self.errors)


class ErrorStream:
    """Detectors on the errors of one release.

    The errors of a regression are measured in units of the mean of the first hundred, as detectors
    are made for errors of about one. Until these have come, none is given to the detectors.

    Args:
        detectors: by their names in `kedge.performance.concept_drift`.
        task: what the release's predictions are of.
    """

    def __init__(self, detectors: Sequence[str], task: Task) -> None:
        self._task = task
        self._detectors = {name: ConceptDrift(name) for name in detectors}
        self._scale = None if task.kind == "regression" else 1.0
        self._first: list[float] = []

    def update(self, outputs: Sequence[Any], truths: Sequence[Any]) -> Mapping[str, Drift]:
        """Take joined rows; what each detector found among them."""
        errors = errors_of(self._task, outputs, truths)
        errors = errors[~np.isnan(errors)]
        rows = len(errors)
        if self._scale is None:
            self._first += errors.tolist()
            if len(self._first) < _USUAL:
                return {name: Drift(rows) for name in self._detectors}
            errors, self._first = np.array(self._first), []
            self._scale = float(np.mean(errors[:_USUAL])) or 1.0
        return {
            name: _found(detector, errors / self._scale, rows)
            for name, detector in self._detectors.items()
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "detectors": [detector.to_json() for detector in self._detectors.values()],
            "scale": self._scale,
            "first": self._first,
        }

    @classmethod
    def from_json(cls, detectors: Sequence[str], task: Task, data: dict[str, Any]) -> Self:
        """Go on from what `to_json` gave; detectors that it has nothing of start anew."""
        stream = cls(detectors, task)
        stream._scale, stream._first = data["scale"], data["first"]
        for known in data["detectors"]:
            if known["name"] in stream._detectors:
                stream._detectors[known["name"]] = ConceptDrift.from_json(known)
        return stream


def _found(detector: ConceptDrift, errors: Floats, rows: int) -> Drift:
    try:
        found = detector.update(errors)
    except ValueError as error:
        return Drift(undetectable=str(error))
    rose = sum(detection.rose for detection in found)
    return Drift(rows, rose, len(found) - rose)
