"""Performance of a regression without labels: direct loss estimation (DLE).

How large a loss is to be expected depends on the inputs and on the prediction; a model of it is
fitted on a reference with labels, and its answers are averaged over a window (Białek et al.,
"Estimating Model Performance Under Covariate Shift Without Labels", 2024; NannyML's documentation,
"Direct Loss Estimation"). Like CBPE it holds while inputs drift within what the reference has seen,
and is blind to a change of the concept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.contracts.predictions import Ints
from kedge.performance.additive import Additive
from kedge.performance.exact import exact_sum, quotient
from kedge.performance.loss_model import LossModel
from kedge.performance.sampling_error import band
from kedge.performance.task import Task
from kedge.performance.values import numbers
from kedge.statistics import Statistic


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedLosses(Additive):
    """What the inputs and predictions of some rows let expect.

    Attributes:
        sum_absolute: exact sum of the expected absolute errors.
        sum_squared: exact sum of the expected squared errors.
    """

    sum_absolute: int
    sum_squared: int

    @classmethod
    def empty(cls, task: Task) -> Self:
        return cls(task, 0, 0, 0, 0)

    @classmethod
    def from_json(cls, task: Task, data: dict[str, Any]) -> Self:
        return cls.restored(cls.empty(task), data)


@dataclass(frozen=True, slots=True, eq=False)
class Dle:
    """The estimator of one model version.

    Attributes:
        task: a regression.
        absolute: expects the absolute error.
        squared: expects the squared error.
        absolute_spread: standard deviation of the absolute error on the reference.
        squared_spread: that of the squared error.
    """

    task: Task
    absolute: LossModel
    squared: LossModel
    absolute_spread: float
    squared_spread: float

    @classmethod
    def fit(
        cls,
        task: Task,
        cells: Ints,
        sizes: Sequence[int],
        outputs: Sequence[Any],
        truths: Sequence[Any],
    ) -> Self:
        """The estimator that a reference with labels makes.

        Args:
            task: a regression.
            cells: int64 `[rows, columns]`, where each feature and the output is counted: its bin,
                or the number of bins plus the kind of missing.
            sizes: number of cells of each column.
            outputs: of the model on data that it was not trained on, a row each.
            truths: the truth of each.

        Raises:
            ValueError: the task is another one, or no row has an output and a truth.
        """
        if task.kind != "regression":
            raise ValueError(
                f"losses are estimated for a regression; output `{task.output}` is of a {task.kind}"
                " task"
            )
        losses = np.abs(numbers(outputs) - numbers(truths))
        usable = ~np.isnan(losses)
        if not usable.any():
            raise ValueError("losses can't be learnt without a row that has output and truth")
        cells, losses = cells[usable], losses[usable]
        squares = losses**2
        return cls(
            task,
            LossModel.fit(cells, sizes, losses),
            LossModel.fit(cells, sizes, squares),
            float(losses.std()),
            float(squares.std()),
        )

    def expect(self, cells: Ints, outputs: Sequence[Any]) -> ExpectedLosses:
        """What some rows let expect; arguments as for `fit`."""
        usable = ~np.isnan(numbers(outputs))
        rows = int(usable.sum())
        cells = cells[usable]
        return ExpectedLosses(
            self.task,
            rows,
            len(usable) - rows,
            exact_sum(self.absolute(cells)),
            exact_sum(self.squared(cells)),
        )

    def estimates(
        self, expected: ExpectedLosses, segment: str | None = None
    ) -> Iterator[Statistic]:
        """`estimated_mae` and `estimated_rmse`, with bands in their notes.

        The standard error is the loss's spread on the reference over √rows, and for the root by
        the delta method.
        """
        rows = expected.rows
        if not rows:
            for name in ("mae", "rmse"):
                note = "no usable output in the window"
                yield Statistic(f"estimated_{name}", None, 0, segment=segment, note=note)
            return
        mae = quotient(expected.sum_absolute, rows)
        rmse = math.sqrt(quotient(expected.sum_squared, rows))
        error = self.absolute_spread / math.sqrt(rows)
        root_error = self.squared_spread / math.sqrt(rows) / (2 * rmse) if rmse else 0.0
        for name, value, chance in (("mae", mae, error), ("rmse", rmse, root_error)):
            note = band(value, chance, math.inf)
            yield Statistic(f"estimated_{name}", value, rows, segment=segment, note=note)

    def to_json(self) -> dict[str, Any]:
        return {
            "task": self.task.to_json(),
            "absolute": self.absolute.to_json(),
            "squared": self.squared.to_json(),
            "absolute_spread": self.absolute_spread,
            "squared_spread": self.squared_spread,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(
            Task.from_json(data["task"]),
            LossModel.from_json(data["absolute"]),
            LossModel.from_json(data["squared"]),
            data["absolute_spread"],
            data["squared_spread"],
        )
