"""Scores of numbers: by how much they were missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.performance.additive import Additive
from kedge.performance.exact import exact_squares, exact_sum
from kedge.performance.task import Task
from kedge.performance.values import numbers


@dataclass(frozen=True, slots=True, eq=False)
class RegressionScores(Additive):
    """Of a task whose output and truth are numbers. The error is the output less the truth.

    Attributes:
        zero_truths: rows whose truth is zero, or so small that a relative error is no number.
        sum_error: exact sum of the errors.
        sum_absolute: of their magnitudes.
        sum_squared: of their squares, each rounded once.
        sum_relative: of |error / truth|, without the `zero_truths`.
        sum_truth: of the truths.
        sum_truth_squared: of their squares, unrounded, so that a small variance about a large mean
            is right too.
    """

    zero_truths: int
    sum_error: int
    sum_absolute: int
    sum_squared: int
    sum_relative: int
    sum_truth: int
    sum_truth_squared: int

    @classmethod
    def empty(cls, task: Task) -> Self:
        return cls.of(task, (), ())

    @classmethod
    def of(cls, task: Task, outputs: Sequence[Any], truths: Sequence[Any]) -> Self:
        """The scores of joined rows; see `kedge.performance.scores_of`."""
        output, truth = numbers(outputs), numbers(truths)
        usable = ~(np.isnan(output) | np.isnan(truth))
        unusable = len(usable) - int(usable.sum())
        output, truth = output[usable], truth[usable]
        error = output - truth
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            relative = np.abs(error / truth)
        measured = np.isfinite(relative)
        return cls(
            task,
            len(error),
            unusable,
            len(error) - int(measured.sum()),
            exact_sum(error),
            exact_sum(np.abs(error)),
            exact_sum(error**2),
            exact_sum(relative[measured]),
            exact_sum(truth),
            exact_sum(exact_squares(truth)),
        )

    @classmethod
    def from_json(cls, task: Task, data: dict[str, Any]) -> Self:
        return cls.restored(cls.empty(task), data)
