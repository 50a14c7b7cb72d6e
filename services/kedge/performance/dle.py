"""Performance of a regression without labels: direct loss estimation (DLE).

How large a loss is to be expected depends on the inputs and on the prediction; a model of it is
fitted on a reference with labels, and its answers are averaged over a window (Białek et al.,
"Estimating Model Performance Under Covariate Shift Without Labels", 2024; NannyML's documentation,
"Direct Loss Estimation"). Like CBPE it holds while inputs drift within what the reference has seen,
and is blind to a change of the concept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from kedge.contracts import Column, Record, Role
from kedge.contracts.predictions import Ints
from kedge.performance.loss_model import LossModel
from kedge.performance.sampling_error import estimate
from kedge.performance.task import Task
from kedge.performance.values import numbers
from kedge.profile import Amounts, Expectation, Reference
from kedge.profile.scale import settled
from kedge.statistics import Statistic

_MOST_ROWS, _MOST_CELLS = 100_000, 4_000_000
"""That losses are learnt from: evenly spaced rows where there are more, so within a minute."""

_ROWS, _UNUSABLE, _ABSOLUTE, _SQUARED, _LENGTH = range(5)


@dataclass(frozen=True, slots=True, eq=False)
class Dle:
    """The estimator of one model version.

    Its expectations are the number of usable rows and of others, and the sums of the expected
    absolute and squared errors, in the units of their models.

    Attributes:
        output: position of the output among the reference's columns.
        bins: number of its bins; a row in another cell has no usable output.
        absolute: expects the absolute error.
        squared: expects the squared error.
        deviations: standard deviations on the reference: `mae` of the absolute error, `rmse` of the
            squared one.
    """

    output: int
    bins: int
    absolute: LossModel
    squared: LossModel
    deviations: Mapping[str, float]
    length: ClassVar[int] = _LENGTH

    @classmethod
    def fit(
        cls,
        task: Task,
        reference: Reference,
        cells: Sequence[Ints],
        outputs: Sequence[Any],
        truths: Sequence[Any],
    ) -> Self:
        """The estimator that a reference with labels makes.

        Args:
            task: a regression.
            reference: on whose bins the rows are counted.
            cells: for each of its columns `[rows]`, see `cells_of`.
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
        output, bins = _place(task, reference)
        losses = np.abs(numbers(outputs) - numbers(truths))
        usable = ~np.isnan(losses) & (cells[output] < bins)
        if not usable.any():
            raise ValueError("losses can't be learnt without a row that has output and truth")
        most = max(min(_MOST_ROWS, _MOST_CELLS // len(cells)), 1)
        some = np.flatnonzero(usable)[:: -(-int(usable.sum()) // most)]
        there, losses = np.array([each[some] for each in cells]), losses[some]
        sizes = [column.cells for column in reference.columns]
        mae, rmse = settled([losses.std(), np.std(losses**2)]).tolist()
        return cls(
            output,
            bins,
            LossModel.fit(there, sizes, losses),
            LossModel.fit(there, sizes, losses**2),
            {"mae": mae, "rmse": rmse},
        )

    def amounts(
        self, named: Mapping[tuple[Role, str], Sequence[Column]], cells: Sequence[Ints]
    ) -> Amounts:
        """What rows add to the expectation; see `kedge.profile.Estimator`."""
        del named  # their cells say all
        unusable = cells[self.output] >= self.bins
        there = ~unusable
        places = np.empty((3, len(unusable)), np.int64)
        places[0], places[1], places[2] = unusable, _ABSOLUTE, _SQUARED
        narrow = np.array(cells, np.min_scalar_type(max(each.max(initial=0) for each in cells)))
        amounts = np.ones((3, len(unusable)))
        amounts[1], amounts[2] = self.absolute(narrow) * there, self.squared(narrow) * there
        return Amounts(places, amounts)

    def estimates(self, expectation: Expectation) -> Iterator[Statistic]:
        """`estimated_mae` and `estimated_rmse`.

        `low` and `high` are three standard errors to either side: the loss's spread on the
        reference over √rows, and for the root by the delta method.
        """
        sums = expectation.dense(self.length).tolist()
        rows = sums[_ROWS]
        mae = rmse = root_error = None
        if rows:
            mae = sums[_ABSOLUTE] / rows * self.absolute.unit
            rmse = math.sqrt(sums[_SQUARED] / rows * self.squared.unit)
            root_error = self.deviations["rmse"] / (2 * rmse) if rmse else 0.0
        for name, value, error in (
            ("mae", mae, self.deviations["mae"]),
            ("rmse", rmse, root_error),
        ):
            why = "no usable output in the window"
            yield estimate(name, value, error, why, (rows, sums[_UNUSABLE]))

    def to_record(self) -> Record:
        """As in the `release_event` contract."""
        return {
            "losses": {"absolute": self.absolute.to_json(), "squared": self.squared.to_json()},
            "deviations": dict(self.deviations),
        }

    @classmethod
    def from_record(cls, task: Task, reference: Reference, record: Mapping[str, Any]) -> Self:
        """What `to_record` gave."""
        absolute, squared = (
            LossModel.from_json(record["losses"][name]) for name in ("absolute", "squared")
        )
        return cls(*_place(task, reference), absolute, squared, record["deviations"])


def _place(task: Task, reference: Reference) -> tuple[int, int]:
    """Position and number of bins of the output."""
    return next(
        (position, len(column.bins))
        for position, column in enumerate(reference.columns)
        if column.spec.key == ("output", task.output)
    )
