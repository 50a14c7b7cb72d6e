"""The error stream: by how much each prediction was wrong, in the order in which truths came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kedge.contracts.predictions import Floats
from kedge.performance.task import Task
from kedge.performance.values import UNUSABLE, class_text, labels, numbers, scores


def errors_of(
    task: Task, outputs: Sequence[Any], truths: Sequence[Any], scale: float = 1.0
) -> Floats:
    """How wrong each of some joined predictions is: more is worse.

    Args:
        task: what they are of.
        outputs: a row each, as for `scores_of`.
        truths: likewise.
        scale: regression: what counts as an error of one, such as the mean absolute error on the
            reference; detectors are tuned for errors of about that size.

    Returns:
        float64 `[rows]`. Classes: 1 for a wrong one, 0 for the right one. Regression: the absolute
        error over `scale`. NaN where output or truth is not usable.

    Raises:
        ValueError: `scale` is not above 0.
    """
    if not scale > 0:
        raise ValueError(f"errors can't be measured in units of {scale:g}: scale is above 0")
    if task.kind == "regression":
        return np.abs(numbers(outputs) - numbers(truths)) / scale
    if task.kind == "multiclass":
        pairs = zip(map(class_text, outputs), map(class_text, truths), strict=True)
        wrong = [np.nan if a is None or b is None else float(a != b) for a, b in pairs]
        return np.array(wrong, np.float64)
    truth = labels(truths, task.positive)
    if task.threshold is None:
        predicted = labels(outputs, task.positive)
    else:
        score = scores(outputs)
        predicted = np.where(np.isnan(score), UNUSABLE, score >= task.threshold)
    usable = (predicted != UNUSABLE) & (truth != UNUSABLE)
    return np.where(usable, (predicted != truth).astype(np.float64), np.nan)
