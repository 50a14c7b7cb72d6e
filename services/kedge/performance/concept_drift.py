"""Concept drift: the error stream changes. By river's detectors, in a form that can be resumed.

River's detectors have no state that could be stored but by pickle, which runs code when it is read.
All of them start anew after a detection, so their state is a function of the errors since the last
one. Those are kept, and a restored detector is given them again.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
from river import drift

from kedge.contracts.predictions import Floats
from kedge.statistics import Statistic

DEFAULT_DETECTOR = "adwin"
DEFAULT_MEMORY = 10_000
_LEAST_MEMORY = 1000
# The errors by which a detection is told to be for the better or the worse.
_NEWEST = 30


@dataclass(frozen=True, slots=True)
class DetectorKind:
    """One of river's detectors.

    Attributes:
        make: a fresh one, with river's defaults.
        most: largest error that its bounds allow; None for any. The least is 0.
        two_sided: whether it also detects that errors have become fewer.
    """

    make: Callable[[], Any]  # river's types have the binary ones take truth values only
    most: float | None
    two_sided: bool


DETECTORS: Mapping[str, DetectorKind] = MappingProxyType(
    {
        "adwin": DetectorKind(drift.ADWIN, None, two_sided=True),
        "page_hinkley": DetectorKind(drift.PageHinkley, None, two_sided=True),
        # It draws from its window at random: seeded, so that it can be resumed.
        "kswin": DetectorKind(lambda: drift.KSWIN(seed=1), None, two_sided=True),
        "ddm": DetectorKind(drift.binary.DDM, 1, two_sided=False),
        "hddm_a": DetectorKind(drift.binary.HDDMA, 1, two_sided=False),
        "hddm_w": DetectorKind(drift.binary.HDDMW, 1, two_sided=False),
    }
)
"""By the name that a policy gives."""


class Detection(NamedTuple):
    """A change of the error stream.

    Attributes:
        row: position in the array of the update, of the error at which it was noticed.
        rose: whether the newest 30 errors are on average above all since the last detection.
    """

    row: int
    rose: bool


def concept_drift(detector: str, detections: Sequence[Detection], rows: int) -> Statistic:
    """How often errors were found to have become more.

    Args:
        detector: that found it, a key of `DETECTORS`.
        detections: among the errors of a window.
        rows: number of these errors.
    """
    if not rows:
        nothing = "no usable label in the window"
        return Statistic("concept_drift", None, 0, kind=detector, note=nothing)
    fewer = sum(not detection.rose for detection in detections)
    note = f"found {fewer} times that errors have become fewer, too" if fewer else None
    value = float(len(detections) - fewer)
    return Statistic("concept_drift", value, rows, kind=detector, note=note)


class ConceptDrift:
    """One detector on the error stream of one release."""

    def __init__(self, name: str = DEFAULT_DETECTOR, memory: int = DEFAULT_MEMORY) -> None:
        """Start without any errors.

        Args:
            name: a key of `DETECTORS`.
            memory: errors that are kept at most, at least 1000. When they are as many, the
                detector is made anew from the newer half of them; what was before is forgotten.

        Raises:
            ValueError: there is no such detector, or it is to remember too little.
        """
        if name not in DETECTORS:
            raise ValueError(f"no detector `{name}`; there are {', '.join(DETECTORS)}")
        if memory < _LEAST_MEMORY:
            raise ValueError(
                f"a memory of {memory} errors is too short to compare the new with the old: "
                f"at least {_LEAST_MEMORY}"
            )
        self._name, self._memory = name, memory
        self._start_with([])

    def update(self, errors: Floats) -> list[Detection]:
        """Take errors in the order in which they came.

        Args:
            errors: float64 `[rows]`, 0 for a right prediction; see `errors_of`.

        Raises:
            ValueError: one of them is NaN, infinite, negative, or more than the detector takes;
                then none has been taken.
        """
        self._check(errors)
        found = []
        for index, error in enumerate(errors.tolist()):
            self._errors.append(error)
            self._detector.update(error)
            if self._detector.drift_detected:
                found.append(Detection(index, self._rose()))
                self._start_with([])
            elif len(self._errors) >= self._memory:
                self._start_with(self._errors[-(self._memory // 2) :])
        return found

    def to_json(self) -> dict[str, Any]:
        """All that the detector is a function of."""
        packed = zlib.compress(np.array(self._errors, "<f8").tobytes())
        return {
            "name": self._name,
            "memory": self._memory,
            "errors": base64.b64encode(packed).decode("ascii"),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """A detector that goes on as the one would that was written."""
        restored = cls(data["name"], data["memory"])
        packed = base64.b64decode(data["errors"])
        restored._start_with(np.frombuffer(zlib.decompress(packed), "<f8").tolist())
        return restored

    def _start_with(self, errors: list[float]) -> None:
        """A fresh detector that has seen these.

        What it detects among them says nothing new: it has been judged with what was before.
        """
        self._detector = DETECTORS[self._name].make()
        self._errors = errors
        for error in errors:
            self._detector.update(error)

    def _rose(self) -> bool:
        return bool(np.mean(self._errors[-_NEWEST:]) > np.mean(self._errors))

    def _check(self, errors: Floats) -> None:
        most = DETECTORS[self._name].most
        wrong = ~(np.isfinite(errors) & (errors >= 0))
        if most is not None:
            wrong |= errors > most
        if wrong.any():
            index = int(np.argmax(wrong))
            range_ = "finite and 0 or more" if most is None else f"from 0 to {most:g}"
            raise ValueError(
                f"error {index} is {errors[index]:g}: {self._name} takes errors that are {range_}"
            )
