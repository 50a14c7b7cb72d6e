"""Performance of a binary task without labels: confidence-based performance estimation (CBPE).

If a score of 0.8 means that 80 % of such rows are positive, then a row predicted positive with that
score is right with probability 0.8, and the confusion matrix is known in expectation before any
label comes (Białek et al., "Estimating Model Performance Under Covariate Shift Without Labels",
2024, section 4; NannyML's documentation, "Confidence-based Performance Estimation"). The scores are
first made to mean that, on a reference with labels.

It holds while inputs drift within what the reference has seen. It is blind to a change of the
concept: then the scores mean something else, and only labels can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.contracts.predictions import Ints
from kedge.performance.additive import Additive
from kedge.performance.calibration import Calibration
from kedge.performance.classification import SCORE_BINS, ProbabilityScores, score_bins
from kedge.performance.metrics import roc_auc
from kedge.performance.sampling_error import band, sampling_errors
from kedge.performance.task import Task
from kedge.performance.values import UNUSABLE, labels, scores
from kedge.statistics import Statistic

# Probabilities are counted in units of 2**-32, so that their sums are exact.
_UNIT = 1 << 32


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedScores(Additive):
    """What the calibrated scores of some predictions let expect.

    Attributes:
        counts: int64 `[2, SCORE_BINS]`, rows by predicted label and `score_bins` of the calibrated
            score.
        positives: likewise, the sum of the calibrated scores: the expected number of positive
            rows, in units of 2**-32.
    """

    counts: Ints
    positives: Ints

    @classmethod
    def empty(cls, task: Task) -> Self:
        nothing = np.zeros((2, SCORE_BINS), np.int64)
        return cls(task, 0, 0, nothing, nothing)

    @classmethod
    def from_json(cls, task: Task, data: dict[str, Any]) -> Self:
        return cls.restored(cls.empty(task), data)


@dataclass(frozen=True, slots=True, eq=False)
class Cbpe:
    """The estimator of one model version.

    Attributes:
        task: binary, with a score.
        calibration: what the scores mean.
        reference: scores of the reference, for the bands.
    """

    task: Task
    calibration: Calibration
    reference: ProbabilityScores

    @classmethod
    def fit(cls, task: Task, outputs: Sequence[Any], truths: Sequence[Any]) -> Self:
        """The estimator that a reference with labels makes.

        Args:
            task: binary, with a score.
            outputs: scores of the model on data that it was not trained on, a row each.
            truths: the truth of each.

        Raises:
            ValueError: the task is another one, or no row has a score and a truth.
        """
        if task.threshold is None:
            raise ValueError(
                f"without labels, performance is estimated from scores: output `{task.output}` of "
                f"a {task.kind} task has none"
            )
        score, label = scores(outputs), labels(truths, task.positive)
        usable = ~np.isnan(score) & (label != UNUSABLE)
        return cls(
            task,
            Calibration.fit(score[usable], label[usable]),
            ProbabilityScores.of(task, outputs, truths),
        )

    def expect(self, outputs: Sequence[Any]) -> ExpectedScores:
        """What the scores of some predictions, `[rows]`, let expect; see `scores_of`."""
        assert self.task.threshold is not None
        score = scores(outputs)
        usable = ~np.isnan(score)
        score = score[usable]
        probability = self.calibration(score)
        cells = (score >= self.task.threshold) * SCORE_BINS + score_bins(probability)
        counts = np.bincount(cells, minlength=2 * SCORE_BINS)
        positives = np.zeros(2 * SCORE_BINS, np.int64)
        np.add.at(positives, cells, np.rint(probability * _UNIT).astype(np.int64))
        return ExpectedScores(
            self.task,
            len(score),
            len(usable) - len(score),
            counts.reshape(2, SCORE_BINS),
            positives.reshape(2, SCORE_BINS),
        )

    def estimates(
        self, expected: ExpectedScores, segment: str | None = None
    ) -> Iterator[Statistic]:
        """`estimated_accuracy`, `…_precision`, `…_recall`, `…_f1` and `…_roc_auc`.

        The note of each has its band: three standard errors to either side, within 0 and 1; see
        `sampling_error`.
        """
        rows = expected.rows
        errors = sampling_errors(self.reference, rows) if rows else {}
        for name, value in _values(expected):
            error = errors.get(name)
            if not rows:
                note = "no usable score in the window"
            elif value is None:
                note = "no such row is expected"
            elif error is None:
                note = "no band: the reference has no such row"
            else:
                note = band(value, error, 1)
            yield Statistic(f"estimated_{name}", value, rows, segment=segment, note=note)

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task.to_json(),
            "calibration": self.calibration.to_json(),
            "reference": self.reference.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        task = Task.from_json(data["task"])
        return cls(
            task,
            Calibration.from_json(data["calibration"]),
            ProbabilityScores.from_json(task, data["reference"]),
        )


def _values(expected: ExpectedScores) -> Iterator[tuple[str, float | None]]:
    positives = expected.positives / _UNIT
    negatives = expected.counts - positives
    # Rows by predicted label, negative first.
    (true_negative, false_positive), (false_negative, true_positive) = (
        side.sum(axis=1).tolist() for side in (negatives, positives)
    )
    predicted, true = true_positive + false_positive, true_positive + false_negative
    yield "accuracy", _ratio(true_positive + true_negative, expected.rows)
    yield "precision", _ratio(true_positive, predicted)
    yield "recall", _ratio(true_positive, true)
    yield "f1", _ratio(2 * true_positive, predicted + true)
    yield "roc_auc", roc_auc(negatives.sum(axis=0), positives.sum(axis=0))[0]


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
