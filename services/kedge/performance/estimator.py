"""The estimator of a reference: fitted where the truth is among the data, and read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kedge.contracts import Column, Record
from kedge.performance.cbpe import Cbpe
from kedge.performance.cbpe_classes import ClassCbpe
from kedge.performance.dle import Dle
from kedge.performance.task import Task, infer_task
from kedge.performance.values import numbers_of_columns
from kedge.profile import Expectation, Reference
from kedge.profile.cells import cells_of
from kedge.profile.counting import by_name
from kedge.statistics import CATALOGUE, Statistic

AnyEstimator = Cbpe | ClassCbpe | Dle

_METRICS = {
    "binary": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier"),
    "regression": ("mae", "rmse"),
    "multiclass": ("accuracy", "precision", "recall", "f1"),
}


def with_estimator(
    reference: Reference,
    columns: Sequence[Column],
    truths: Sequence[Any],
    *,
    output: str | None = None,
    positive: str | None = None,
    threshold: float = 0.5,
    probabilities: Mapping[str, str] | None = None,
) -> Reference:
    """The reference with what its labels teach: the task, and an estimator where there is one.

    A binary score and classes with their probabilities get CBPE, a regression DLE. A class without
    a score gets none: nothing says how sure the model was.

    Args:
        reference: that `reference_of` made of the columns.
        columns: its features and outputs; of data that the model was not trained on, or it will
            look better than it is.
        truths: the truth of each row; None where it is not known.
        output: as for `infer_task`, like the next two.
        positive: the text of the positive class.
        threshold: of a binary score.
        probabilities: multiclass: for each class the output that is its probability.

    Raises:
        ValueError: there is no such output, it does not go together with the truths, or no row has
            both; or there are probabilities and the task is another one.
    """
    task = infer_task(reference, truths, output=output, positive=positive, threshold=threshold)
    if probabilities and task.kind != "multiclass":
        raise ValueError(
            f"output `{task.output}` is of a {task.kind} task: probabilities are of several classes"
        )
    named, rows = by_name(columns), reference.rows
    cells = [cells_of(named.get(c.spec.key, ()), c, rows) for c in reference.columns]
    outputs = numbers_of_columns(named[("output", task.output)], rows).tolist()
    parts: Record = {"calibrations": [], "losses": None, "deviations": {}}
    if task.threshold is not None:
        parts |= Cbpe.fit(task, outputs, truths).to_record()
    elif task.kind == "regression":
        parts |= Dle.fit(task, reference, cells, outputs, truths).to_record()
    elif probabilities:
        fitted = ClassCbpe.fit(
            task, reference, named, cells, truths=truths, probabilities=probabilities
        )
        parts |= fitted.to_record()
    return replace(reference, estimator={"task": task.to_json(), **parts})


def registered_task(reference: Reference) -> Task | None:
    """What the outputs are compared as, where the reference came with the truth."""
    known = reference.estimator
    return None if known is None else Task.from_json(known["task"])


def estimator_of(reference: Reference) -> AnyEstimator | None:
    """The estimator that `with_estimator` fitted; None where there is none."""
    known, task = reference.estimator, registered_task(reference)
    if known is None or task is None:
        return None
    if known["losses"] is not None:
        return Dle.from_record(task, reference, known)
    if not known["calibrations"]:
        return None
    if task.kind == "multiclass":
        return ClassCbpe.from_record(task, reference, known)
    return Cbpe.from_record(task, known)


def estimates(
    estimator: AnyEstimator | None, reference: Reference, expectation: Expectation
) -> Iterator[Statistic]:
    """Every `estimated_…` of a window; without an estimator, why there is none.

    Args:
        estimator: of the reference, from `estimator_of`.
        reference: of the release.
        expectation: of the window's profile.
    """
    if estimator is not None:
        yield from estimator.estimates(expectation)
        return
    task = registered_task(reference)
    if task is None:
        names = [name for name in CATALOGUE if name.startswith("estimated_")]
        note = "the reference came without the truth: nothing says what scores mean"
    else:
        names = [f"estimated_{metric}" for metric in _METRICS[task.kind]]
        note = f"output `{task.output}` is a class without a score"
    for name in names:
        yield Statistic(name, None, 0, note=note)
