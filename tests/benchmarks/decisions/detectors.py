"""river's detectors on raw values, one for each number column, and on the errors of the model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from river import drift

from benchmarks.decisions.windows import Category, Past, Window


class _PerFeature:
    threshold: ClassVar = 1.0
    stateful: ClassVar = True
    reads_rows: ClassVar = True

    def __init__(self, past: Past) -> None:
        self._detectors = {
            name: self._detector()
            for name, values in past.windows[0].rows.features.items()
            if not isinstance(values, Category)
        }

    def observe(self, window: Window) -> float:
        fired = False
        for name, detector in self._detectors.items():
            for value in window.rows.features[name].tolist():
                if value == value:  # noqa: PLR0124 - a null, which these detectors do not know
                    detector.update(value)
                    fired |= detector.drift_detected
        return float(fired)


class AdwinPerFeature(_PerFeature):
    """ADWIN, delta 0.002, on each number column; categories have no order and are not read."""

    _detector = drift.ADWIN


class KswinPerFeature(_PerFeature):
    """KSWIN, alpha 0.005, likewise."""

    slow: ClassVar = True

    @staticmethod
    def _detector():
        return drift.KSWIN(seed=1)


class AdwinOnErrors:
    """ADWIN, delta 0.002, on whether each prediction was wrong; outcomes come at once here."""

    threshold: ClassVar = 1.0
    stateful: ClassVar = True
    reads_rows: ClassVar = True
    reads_outcomes: ClassVar = True

    def __init__(self, past: Past) -> None:
        del past
        self._detector = drift.ADWIN()

    def observe(self, window: Window) -> float:
        fired = False
        for wrong in np.not_equal(window.rows.output, window.rows.truth).tolist():
            before = self._detector.estimation
            self._detector.update(wrong)
            # A fall of the error rate is no fault.
            fired |= self._detector.drift_detected and self._detector.estimation > before
        return float(fired)
