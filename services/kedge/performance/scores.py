"""The mergeable summary of predictions that are joined with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kedge.performance.classification import ClassScores, ProbabilityScores
from kedge.performance.regression import RegressionScores
from kedge.performance.task import Task

Scores = ClassScores | ProbabilityScores | RegressionScores


def scores_of(task: Task, outputs: Sequence[Any], truths: Sequence[Any]) -> Scores:
    """The scores of some joined predictions of one release.

    Args:
        task: what they are of.
        outputs: the value of the task's output, a row each: None, bool, int, float or str. What is
            not what the task needs counts as unusable.
        truths: the truth of each, likewise.

    Returns:
        Scores that can be added and taken out of each other without rounding, in any order.

    Raises:
        ValueError: there are more or fewer truths than outputs.
    """
    if len(outputs) != len(truths):
        raise ValueError(f"{len(outputs)} outputs can't be joined with {len(truths)} truths")
    return _type_of(task).of(task, outputs, truths)


def no_scores(task: Task) -> Scores:
    """The scores of no prediction: the neutral element of `+`."""
    return _type_of(task).empty(task)


def scores_from_json(task: Task, data: dict[str, Any]) -> Scores:
    """The scores that `to_json` wrote.

    Raises:
        KeyError, ValueError: they are of another kind of task, or are not whole.
    """
    return _type_of(task).from_json(task, data)


def _type_of(task: Task) -> type[Scores]:
    if task.kind == "regression":
        return RegressionScores
    return ClassScores if task.threshold is None else ProbabilityScores
