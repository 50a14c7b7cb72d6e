"""Performance of a binary task without labels: confidence-based performance estimation (CBPE).

If a score of 0.8 means that 80 % of such rows are positive, then a row predicted positive with that
score is right with probability 0.8, and the confusion matrix is known in expectation before any
label comes (Białek et al., "Estimating Model Performance Under Covariate Shift Without Labels",
2024, section 4; NannyML's documentation, "Confidence-based Performance Estimation"). The scores are
first made to mean that, on a reference with labels. Losses follow in the same way: each row's is
what it would be with either label, weighted.

It holds while inputs drift within what the reference has seen. It is blind to a change of the
concept: then the scores mean something else, and only labels can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from kedge.contracts import Column, Record, Role
from kedge.contracts.predictions import Floats, Ints
from kedge.performance.calibration import Calibration
from kedge.performance.classification import ProbabilityScores, log_losses, score_bins
from kedge.performance.metrics import roc_auc
from kedge.performance.sampling_error import estimate, sampling_errors
from kedge.performance.task import Task
from kedge.performance.values import UNUSABLE, labels, numbers_of_columns, scores, within_0_and_1
from kedge.profile import Amounts, Expectation
from kedge.profile.scale import settled
from kedge.statistics import Statistic

BINS = 256
"""Bins of the calibrated score, for ROC AUC: rows in one are taken to have the same."""

# Probabilities and losses are counted in units of 2**-26, so that their sums are exact: of log
# losses, which are 36 at most, those of three million rows in a message.
_UNIT = 1 << 26
_ROWS, _UNUSABLE, _LOG_LOSS, _BRIER, _COUNTS = range(5)
_POSITIVES = _COUNTS + 2 * BINS


@dataclass(frozen=True, slots=True, eq=False)
class Cbpe:
    """The estimator of one model version.

    Its expectations are the number of usable rows and of others, the expected log loss and Brier
    score, the rows by predicted label and bin of the calibrated score, and the expected positive
    rows among these. Expected amounts are in units of 2**-26.

    Attributes:
        task: binary, with a score.
        calibration: what the scores mean.
        deviations: for each metric the standard error of a window of one row; the metrics that the
            reference has no row for are left out.
    """

    task: Task
    calibration: Calibration
    deviations: Mapping[str, float]
    length: ClassVar[int] = _POSITIVES + 2 * BINS

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
        score, label = score[usable], label[usable]
        calibration = Calibration.fit(score, label)
        errors = sampling_errors(ProbabilityScores.of(task, outputs, truths), 1) | {
            "log_loss": float(np.std(log_losses(score, label))),
            "brier": float(np.std((score - label) ** 2)),
        }
        known = {name: error for name, error in errors.items() if error is not None}
        return cls(
            task, calibration, dict(zip(known, settled(known.values()).tolist(), strict=True))
        )

    def amounts(
        self, named: Mapping[tuple[Role, str], Sequence[Column]], cells: Sequence[Ints]
    ) -> Amounts:
        """What rows add to the expectation; see `kedge.profile.Estimator`."""
        columns = named.get(("output", self.task.output), ())
        return self._amounts(within_0_and_1(numbers_of_columns(columns, len(cells[0]))))

    def expect(self, outputs: Sequence[Any]) -> Expectation:
        """What the scores of some predictions, `[rows]`, let expect; see `scores_of`."""
        return Expectation.of_rows(self._amounts(scores(outputs)))

    def expect_labelled(self, outputs: Sequence[Any], truths: Sequence[Any]) -> Expectation:
        """What `expect` gives of the rows that have a usable truth, as metrics count them."""
        usable = labels(truths, self.task.positive) != UNUSABLE
        return self.expect([outputs[row] for row in np.flatnonzero(usable).tolist()])

    def _amounts(self, score: Floats) -> Amounts:
        assert self.task.threshold is not None
        unusable = np.isnan(score)
        there = (~unusable).astype(np.float64)
        score = np.where(unusable, 0.0, score)
        probability = self.calibration(score)
        predicted = score >= self.task.threshold
        cells = _COUNTS + predicted * BINS + score_bins(probability, BINS)
        places = np.empty((5, len(score)), np.int64)
        places[0], places[1], places[2] = unusable, _LOG_LOSS, _BRIER
        places[3], places[4] = cells, cells + (_POSITIVES - _COUNTS)
        amounts = np.empty((5, len(score)))
        amounts[0], amounts[3] = 1, there
        losses = log_losses(score, 0), log_losses(score, 1)
        amounts[1] = losses[0] + probability * (losses[1] - losses[0])
        amounts[2] = score**2 + probability * (1 - 2 * score)
        amounts[4] = probability
        for expected in (1, 2, 4):
            amounts[expected] = np.rint(amounts[expected] * _UNIT) * there
        return Amounts(places, amounts)

    def estimates(self, expectation: Expectation) -> Iterator[Statistic]:
        """`estimated_…` of accuracy, precision, recall, f1, roc_auc, log_loss and brier.

        `low` and `high` are three standard errors to either side; see `sampling_error`.
        """
        sums = expectation.dense(self.length)
        rows = int(sums[_ROWS]), int(sums[_UNUSABLE])
        for name, value in _values(sums):
            why = "no such row is expected" if rows[0] else "no usable score in the window"
            yield estimate(name, value, self.deviations.get(name), why, rows)

    def to_record(self) -> Record:
        """As in the `release_event` contract."""
        calibrations = [self.calibration.to_record(self.task.output)]
        return {"calibrations": calibrations, "deviations": dict(self.deviations)}

    @classmethod
    def from_record(cls, task: Task, record: Mapping[str, Any]) -> Self:
        """What `to_record` gave."""
        (calibration,) = record["calibrations"]
        return cls(task, Calibration.from_record(calibration), record["deviations"])


def _values(sums: Ints) -> Iterator[tuple[str, float | None]]:
    rows = int(sums[_ROWS])
    counts = sums[_COUNTS:_POSITIVES].reshape(2, BINS)
    positives = sums[_POSITIVES:].reshape(2, BINS) / _UNIT
    negatives = counts - positives
    # Rows by predicted label, negative first.
    (true_negative, false_positive), (false_negative, true_positive) = (
        side.sum(axis=1).tolist() for side in (negatives, positives)
    )
    predicted, true = true_positive + false_positive, true_positive + false_negative
    yield "accuracy", _ratio(true_positive + true_negative, rows)
    yield "precision", _ratio(true_positive, predicted)
    yield "recall", _ratio(true_positive, true)
    yield "f1", _ratio(2 * true_positive, predicted + true)
    yield "roc_auc", roc_auc(negatives.sum(axis=0), positives.sum(axis=0))[0]
    yield "log_loss", _ratio(int(sums[_LOG_LOSS]) / _UNIT, rows)
    yield "brier", _ratio(int(sums[_BRIER]) / _UNIT, rows)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
