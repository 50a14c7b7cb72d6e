"""Performance of one release in one window, from its scores."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.performance.classification import ClassScores, ProbabilityScores
from kedge.performance.exact import quotient, whole
from kedge.performance.regression import RegressionScores
from kedge.performance.scores import Scores
from kedge.statistics import Statistic

CLASS_METRICS = ("accuracy", "precision", "recall", "f1")
SCORE_METRICS = ("roc_auc", "log_loss", "brier", "calibration_error")
REGRESSION_METRICS = ("mae", "rmse", "mape", "r2", "bias")

_Value = tuple[float | None, str | None]


def metrics(scores: Scores, segment: str | None = None) -> Iterator[Statistic]:
    """Every metric of the task; docs/performance.md has the formulas.

    A metric that is not defined on these rows is None, and its note says why. All are computed
    from sums without rounding, so they do not depend on the order in which outcomes came.

    - binary and multiclass: `accuracy`, `precision`, `recall`, `f1` of the positive class, or the
      unweighted mean over the classes that occur.
    - binary and multiclass: `roc_auc`, `log_loss` (nats), `brier`, `calibration_error`; None where
      the output is a class without a score.
    - regression: `mae`, `rmse`, `bias` in the truth's unit, `mape` as a share, `r2`. A positive
      `bias` means that the model predicts too high.
    """
    for name, (value, note) in _values(scores):
        if not scores.rows:
            value, note = None, "no usable label in the window"  # noqa: PLW2901
        if scores.unusable:
            left_out = f"{scores.unusable} rows without a usable output or label are left out"
            note = left_out if note is None else f"{note}; {left_out}"  # noqa: PLW2901
        yield Statistic(name, value, scores.rows, segment=segment, note=note)


def label_coverage(joined: int, predictions: int, segment: str | None = None) -> Statistic:
    """The share of a window's predictions that have their truth.

    Args:
        joined: predictions that have one, usable or not.
        predictions: all of the window, inferences that raised left out.
        segment: as in `Statistic`.
    """
    if not predictions:
        return Statistic(
            "label_coverage", None, 0, segment=segment, note="no predictions in the window"
        )
    return Statistic("label_coverage", joined / predictions, predictions, segment=segment)


def _values(scores: Scores) -> Iterator[tuple[str, _Value]]:
    if isinstance(scores, RegressionScores):
        yield from zip(REGRESSION_METRICS, _regression(scores), strict=True)
        return
    yield from zip(CLASS_METRICS, _classes(scores), strict=True)
    if isinstance(scores, ProbabilityScores):
        yield from zip(SCORE_METRICS, _probabilities(scores), strict=True)
    else:
        for name in SCORE_METRICS:
            yield name, (None, "the output is a class without a score")


def _classes(scores: ClassScores | ProbabilityScores) -> Iterator[_Value]:
    confusion = scores.confusion
    others_right = scores.others_right if isinstance(scores, ClassScores) else 0
    binary = scores.task.kind == "binary"
    named = confusion if binary else confusion[:-1, :-1]
    yield _ratio(int(np.trace(named)) + others_right, scores.rows, "")
    if binary:
        (_, _), (false_positive, true_positive) = confusion.tolist()
        false_negative = int(confusion[0, 1])
        predicted, true = true_positive + false_positive, true_positive + false_negative
        yield _ratio(true_positive, predicted, "no row is predicted positive")
        yield _ratio(true_positive, true, "no row is truly positive")
        yield _ratio(2 * true_positive, predicted + true, "no row is positive, predicted or true")
    else:
        yield from _averages(confusion)


def _averages(confusion: Ints) -> Iterator[_Value]:
    right = np.diag(confusion)[:-1]
    predicted, true = confusion.sum(axis=1)[:-1], confusion.sum(axis=0)[:-1]
    occurs = (predicted > 0) | (true > 0)
    others = int(confusion.sum() - confusion[:-1, :-1].sum())
    if not occurs.any():
        yield from [(None, "no row is of a class that the task names")] * 3
        return
    note = f"mean over {int(occurs.sum())} classes"
    if others:
        note += f"; {others} rows are of other classes, predicted or true"
    for factor, total in ((1, predicted), (1, true), (2, predicted + true)):
        # A class that occurs on one side only has nothing right: 0, as in scikit-learn.
        yield float(np.mean(factor * right[occurs] / np.maximum(total[occurs], 1))), note


def _probabilities(scores: ProbabilityScores) -> Iterator[_Value]:
    yield roc_auc(*scores.histogram)
    yield _mean(scores.sum_log_loss, scores.rows)
    yield _mean(scores.sum_squared, scores.rows)
    gaps = [
        abs(total - whole(int(positives)))
        for total, positives in zip(scores.sum_scores, scores.calibration[1], strict=True)
    ]
    yield _mean(sum(gaps), scores.rows)


def roc_auc(negatives: Floats | Ints, positives: Floats | Ints) -> _Value:
    """Area under the ROC curve from a histogram of scores, and what binning may have cost.

    The share of pairs of a positive and a negative row in which the positive has the higher score,
    ties counted as half (Hanley and McNeil, 1982). Pairs in one bin are taken as ties, so the
    value is off by at most half of their share; the note says how much that is.

    Args:
        negatives: `[bins]`, negative rows (or expected ones) by ascending score.
        positives: `[bins]`, positive ones.
    """
    pairs = float(negatives.sum()) * float(positives.sum())
    if pairs <= 0:
        return None, "all rows are of one class"
    below = np.cumsum(negatives) - negatives
    tied = float(np.sum(positives * negatives)) / 2
    value = (float(np.sum(positives * below)) + tied) / pairs
    return value, f"within {tied / pairs:.2g}: scores are counted in {len(negatives)} bins"


def _regression(scores: RegressionScores) -> Iterator[_Value]:
    rows = scores.rows
    yield _mean(scores.sum_absolute, rows)
    mean_square, note = _mean(scores.sum_squared, rows)
    yield (None if mean_square is None else math.sqrt(mean_square)), note
    measured = rows - scores.zero_truths
    value, _ = _mean(scores.sum_relative, measured)
    note = f"{scores.zero_truths} rows with a truth of zero are left out"
    yield value, note if scores.zero_truths else None
    # n² times the mean squared error and the variance of the truth, in units of 2**-1074 squared.
    spread = whole(rows * scores.sum_truth_squared) - scores.sum_truth**2
    yield _r2(whole(rows * scores.sum_squared), spread)
    yield _mean(scores.sum_error, rows)


def _r2(missed: int, spread: int) -> _Value:
    if spread <= 0:
        return None, "all truths are the same"
    try:
        return 1 - missed / spread, None
    except OverflowError:
        return None, "the truths hardly differ, next to the errors"


def _mean(total: int, rows: int) -> _Value:
    return (quotient(total, rows), None) if rows else (None, None)


def _ratio(count: int, of: int, otherwise: str) -> _Value:
    return (count / of, None) if of else (None, otherwise)
