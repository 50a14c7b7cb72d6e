"""Performance of several classes without labels: CBPE with a probability for each class.

Each class's score is calibrated against all others, and the calibrated scores of a row are divided
by their sum (NannyML's documentation, "Confidence-based Performance Estimation", multiclass). Then
a row predicted A is truly B with the probability of B, and the confusion matrix is known in
expectation. It holds and is blind as `cbpe` is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.contracts import Column, Record, Role
from kedge.contracts.predictions import Floats, Ints
from kedge.performance.calibration import Calibration
from kedge.performance.classification import ClassScores
from kedge.performance.metrics import CLASS_METRICS
from kedge.performance.sampling_error import class_errors, estimate
from kedge.performance.task import Task
from kedge.performance.values import class_text, numbers_of_columns, within_0_and_1
from kedge.profile import Amounts, Expectation, Reference
from kedge.profile.scale import settled
from kedge.statistics import Statistic

_UNIT = 1 << 26
_ROWS, _UNUSABLE, _CONFUSION = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class ClassCbpe:
    """The estimator of one model version.

    Its expectations are the number of usable rows and of others, and for each predicted class the
    expected rows of each true one, in units of 2**-26.

    Attributes:
        output: position of the predicted class among the reference's columns.
        scores: for each class the output that is its probability.
        calibrations: for each class what that means.
        deviations: for each metric the standard error of a window of one row.
    """

    output: int
    scores: tuple[str, ...]
    calibrations: tuple[Calibration, ...]
    deviations: Mapping[str, float]

    @property
    def length(self) -> int:
        return _CONFUSION + len(self.scores) ** 2

    @classmethod
    def fit(
        cls,
        task: Task,
        reference: Reference,
        named: Mapping[tuple[Role, str], Sequence[Column]],
        cells: Sequence[Ints],
        *,
        truths: Sequence[Any],
        probabilities: Mapping[str, str],
    ) -> Self:
        """The estimator that a reference with labels makes.

        Args:
            task: multiclass.
            reference: on whose bins the rows are counted.
            named: its features and outputs, of data that the model was not trained on.
            cells: for each of its columns `[rows]`, see `cells_of`.
            truths: the truth of each row.
            probabilities: for each class of the task the output that is its probability.

        Raises:
            ValueError: a class has no such output, or no row has all of them and a truth.
        """
        lacking = [name for name in task.classes if name not in probabilities]
        if lacking:
            raise ValueError(
                f"class `{lacking[0]}` of output `{task.output}` has no probability: name an "
                f"output for each of {', '.join(task.classes)}"
            )
        scores = tuple(probabilities[name] for name in task.classes)
        for name in scores:
            if ("output", name) not in named:
                raise ValueError(f"there is no output `{name}` that could be a probability")
        output = [column.spec.key for column in reference.columns].index(("output", task.output))
        given = _scores(scores, named, reference.rows)
        true = np.array([_position(task, truth) for truth in truths], np.int64)
        usable = ~np.isnan(given).any(axis=0) & (true >= 0) & (cells[output] < len(scores))
        if not usable.any():
            raise ValueError(
                "scores can't be calibrated without a row that has a class, all scores and truth"
            )
        calibrations = tuple(
            Calibration.fit(given[k, usable], (true[usable] == k).astype(np.int64))
            for k in range(len(scores))
        )
        outputs = [task.classes[cell] for cell in cells[output][usable].tolist()]
        known = ClassScores.of(task, outputs, [task.classes[k] for k in true[usable].tolist()])
        errors = class_errors(known.confusion[:-1, :-1])
        deviations = dict(zip(errors, settled(errors.values()).tolist(), strict=True))
        return cls(output, scores, calibrations, deviations)

    def amounts(
        self, named: Mapping[tuple[Role, str], Sequence[Column]], cells: Sequence[Ints]
    ) -> Amounts:
        """What rows add to the expectation; see `kedge.profile.Estimator`."""
        classes, predicted = len(self.scores), cells[self.output]
        given = _scores(self.scores, named, len(predicted))
        usable = ~np.isnan(given).any(axis=0) & (predicted < classes)
        given[:, ~usable] = 0.0
        total = np.zeros(len(predicted))
        for score, calibration in zip(given, self.calibrations, strict=True):
            score[:] = calibration(score)
            total += score
        # Where no class is possible by its own scores, each is as likely.
        impossible = total == 0
        given[:, impossible], total[impossible] = 1.0, classes
        places = np.empty((1 + classes, len(predicted)), np.int64)
        places[0] = ~usable
        first = _CONFUSION + np.where(usable, predicted, 0) * classes
        places[1:] = first + np.arange(classes)[:, None]
        amounts = np.ones((1 + classes, len(predicted)))
        amounts[1:] = np.rint(given / total * _UNIT) * usable
        return Amounts(places, amounts)

    def estimates(self, expectation: Expectation) -> Iterator[Statistic]:
        """`estimated_…` of accuracy, precision, recall and f1, the last three means over classes.

        `low` and `high` are three standard errors to either side; see `sampling_error`.
        """
        sums, classes = expectation.dense(self.length), len(self.scores)
        rows = int(sums[_ROWS]), int(sums[_UNUSABLE])
        confusion = sums[_CONFUSION:].reshape(classes, classes) / _UNIT
        why = "no row with a usable class and all scores in the window"
        for name, value in zip(CLASS_METRICS, _values(confusion), strict=True):
            known = value if rows[0] else None
            yield estimate(name, known, self.deviations[name], why, rows)

    def to_record(self) -> Record:
        """As in the `release_event` contract."""
        pairs = zip(self.calibrations, self.scores, strict=True)
        return {
            "calibrations": [calibration.to_record(output) for calibration, output in pairs],
            "deviations": dict(self.deviations),
        }

    @classmethod
    def from_record(cls, task: Task, reference: Reference, record: Mapping[str, Any]) -> Self:
        """What `to_record` gave."""
        keys = [column.spec.key for column in reference.columns]
        return cls(
            keys.index(("output", task.output)),
            tuple(each["output"] for each in record["calibrations"]),
            tuple(map(Calibration.from_record, record["calibrations"])),
            record["deviations"],
        )


def _position(task: Task, truth: Any) -> int:
    text = class_text(truth)
    return task.classes.index(text) if text in task.classes else -1


def _scores(
    names: Sequence[str], named: Mapping[tuple[Role, str], Sequence[Column]], rows: int
) -> Floats:
    """float64 `[classes, rows]`, from 0 to 1; NaN where there is no such number."""
    columns = (named.get(("output", name), ()) for name in names)
    return within_0_and_1(np.array([numbers_of_columns(each, rows) for each in columns]))


def _values(confusion: Floats) -> Iterator[float]:
    right, predicted, true = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    yield float(right.sum() / max(confusion.sum(), 1))
    classes = max(int(((predicted > 0) | (true > 0)).sum()), 1)
    for factor, total in ((1, predicted), (1, true), (2, predicted + true)):
        # A class that is never predicted, or never expected, has nothing right: 0, as in `metrics`.
        there = total > 0
        yield float(np.sum(factor * right[there] / total[there])) / classes
