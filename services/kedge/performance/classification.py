"""Scores of classes: how often what was predicted when what was true, and how sure it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.predictions import Floats, Ints
from kedge.performance.additive import Additive
from kedge.performance.exact import exact_sum, exact_sums
from kedge.performance.task import Task
from kedge.performance.values import UNUSABLE, class_text, labels, scores

SCORE_BINS = 1024
CALIBRATION_BINS = 10
# A certain and wrong prediction costs 36 nats, not infinitely many: scikit-learn's clipping.
_CLIP = float(np.finfo(np.float64).eps)


def score_bins(score: Floats, bins: int = SCORE_BINS) -> Ints:
    """The bin of each score, of some that are equally wide in arcsin √score.

    So they are narrow near 0 and 1, where the scores of a rare class lie: of `SCORE_BINS`, the
    first ends at 2e-6, those in the middle are 0.0015 wide.
    """
    position = np.arcsin(np.sqrt(score)) * (2 / np.pi)
    return np.minimum(position * bins, bins - 1).astype(np.int64)


def log_losses(score: Floats, label: Ints | int) -> Floats:
    """-ln(score of the true label), in nats, for each row."""
    clipped = np.clip(score, _CLIP, 1 - _CLIP)
    return -np.where(np.equal(label, 1), np.log(clipped), np.log1p(-clipped))


@dataclass(frozen=True, slots=True, eq=False)
class ClassScores(Additive):
    """Of classes that the model gives without a score.

    Attributes:
        confusion: int64 `[classes + 1, classes + 1]`, rows by predicted and true class; the last
            stands for all classes that the task does not name. Binary: `[2, 2]`, negative first.
        others_right: rows whose predicted and true class are the same, and not named by the task.
    """

    confusion: Ints
    others_right: int

    @classmethod
    def empty(cls, task: Task) -> Self:
        size = 2 if task.kind == "binary" else len(task.classes) + 1
        return cls(task, 0, 0, np.zeros((size, size), np.int64), 0)

    @classmethod
    def of(cls, task: Task, outputs: Sequence[Any], truths: Sequence[Any]) -> Self:
        """The scores of joined rows; see `kedge.performance.scores_of`."""
        right = 0
        if task.kind == "binary":
            predicted, true = labels(outputs, task.positive), labels(truths, task.positive)
            size = 2
        else:
            size = len(task.classes) + 1
            position = {name: i for i, name in enumerate(task.classes)}
            texts = [[class_text(value) for value in side] for side in (outputs, truths)]
            predicted, true = (
                np.array(
                    [UNUSABLE if t is None else position.get(t, size - 1) for t in side], np.int64
                )
                for side in texts
            )
            right = sum(
                a == b and a is not None and a not in position for a, b in zip(*texts, strict=True)
            )
        usable = (predicted != UNUSABLE) & (true != UNUSABLE)
        rows = int(usable.sum())
        return cls(
            task,
            rows,
            len(usable) - rows,
            _counted(predicted[usable] * size + true[usable], (size, size)),
            right,
        )

    @classmethod
    def from_json(cls, task: Task, data: dict[str, Any]) -> Self:
        return cls.restored(cls.empty(task), data)


@dataclass(frozen=True, slots=True, eq=False)
class ProbabilityScores(Additive):
    """Of a binary task whose output is the score of the positive class.

    Attributes:
        confusion: int64 `[2, 2]`, rows by predicted and true label, negative first.
        histogram: int64 `[2, SCORE_BINS]`, rows by true label and `score_bins`.
        calibration: int64 `[2, CALIBRATION_BINS]`, rows by true label and equal-width bin of the
            score; a bin has its lower end, and the last one both.
        sum_scores: exact sums `[CALIBRATION_BINS]`, of the scores in these bins.
        sum_log_loss: exact sum of -ln(score of the true label), in nats.
        sum_squared: exact sum of (score - label)².
    """

    confusion: Ints
    histogram: Ints
    calibration: Ints
    sum_scores: NDArray[np.object_]
    sum_log_loss: int
    sum_squared: int

    @classmethod
    def empty(cls, task: Task) -> Self:
        return cls.of(task, (), ())

    @classmethod
    def of(cls, task: Task, outputs: Sequence[Any], truths: Sequence[Any]) -> Self:
        """The scores of joined rows; see `kedge.performance.scores_of`."""
        assert task.threshold is not None
        score, label = scores(outputs), labels(truths, task.positive)
        usable = ~np.isnan(score) & (label != UNUSABLE)
        unusable = len(usable) - int(usable.sum())
        score, label = score[usable], label[usable]
        predicted = (score >= task.threshold).astype(np.int64)
        tenth = np.minimum(score * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(np.int64)
        return cls(
            task,
            len(score),
            unusable,
            _counted(predicted * 2 + label, (2, 2)),
            _counted(label * SCORE_BINS + score_bins(score), (2, SCORE_BINS)),
            _counted(label * CALIBRATION_BINS + tenth, (2, CALIBRATION_BINS)),
            np.array(exact_sums(score, tenth, CALIBRATION_BINS), object),
            exact_sum(log_losses(score, label)),
            exact_sum((score - label) ** 2),
        )

    @classmethod
    def from_json(cls, task: Task, data: dict[str, Any]) -> Self:
        return cls.restored(cls.empty(task), data)


def _counted(cells: Ints, shape: tuple[int, int]) -> Ints:
    counts: Ints = np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)
    return counts
