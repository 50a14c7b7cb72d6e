"""How far a metric of a window is off by chance alone: standard errors from the reference.

Rates of the reference, number of rows of the window. They say nothing about a change of the
concept, which no estimate without labels can see.
"""

from __future__ import annotations

import math

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.performance.classification import ProbabilityScores
from kedge.statistics import CATALOGUE, Statistic

# NannyML's convention.
_BAND = 3


def sampling_errors(reference: ProbabilityScores, rows: int) -> dict[str, float | None]:
    """Standard errors of accuracy, precision, recall, F1 and ROC AUC in windows of so many rows.

    - accuracy, precision, recall: √(q (1 − q) / m), of the m rows that the share q is of.
    - F1 = 2 q / (1 + q), where q is the share of true positives among the m rows that are positive,
      predicted or true; so 2 / (1 + q)² · √(q (1 − q) / m), by the delta method.
    - ROC AUC: DeLong, DeLong and Clarke-Pearson, Biometrics 44(3), 1988.

    Args:
        reference: scores of the reference.
        rows: of the window, at least one.

    Returns:
        None where the reference has no row that the metric is about.
    """
    (negative, false_negative), (false_positive, positive) = reference.confusion.tolist()
    involved = positive + false_positive + false_negative
    overlap = _share_error(positive, involved, reference.rows, rows)
    f1 = None if overlap is None else overlap * 2 / (1 + positive / involved) ** 2
    return {
        "accuracy": _share_error(positive + negative, reference.rows, reference.rows, rows),
        "precision": _share_error(positive, positive + false_positive, reference.rows, rows),
        "recall": _share_error(positive, positive + false_negative, reference.rows, rows),
        "f1": f1,
        "roc_auc": _auc_error(reference.histogram, rows),
    }


def class_errors(confusion: Ints) -> dict[str, float]:
    """Standard errors of a window of one row, of accuracy and of means over classes.

    The classes' errors are taken as independent: the root of the sum of their squares, over their
    number, as NannyML has it.

    Args:
        confusion: int64 `[classes, classes]` of the reference, rows by predicted and true class.
    """
    right, total = np.diag(confusion), int(confusion.sum())
    predicted, true = confusion.sum(axis=1), confusion.sum(axis=0)
    involved = predicted + true - right
    errors = {"accuracy": _share_error(int(right.sum()), total, total, 1) or 0.0}
    for name, of in (("precision", predicted), ("recall", true), ("f1", involved)):
        squares = []
        for part, whole in zip(right.tolist(), of.tolist(), strict=True):
            error = _share_error(part, whole, total, 1) or 0.0
            slope = 2 / (1 + part / whole) ** 2 if name == "f1" and whole else 1
            squares.append((slope * error) ** 2)
        errors[name] = math.sqrt(sum(squares)) / len(squares)
    return errors


def estimate(
    name: str, value: float | None, deviation: float | None, why: str, rows: tuple[int, int]
) -> Statistic:
    """An estimate with its band: three standard errors to either side, within what can be.

    Args:
        name: of the metric.
        value: estimated; None where it can't be.
        deviation: standard error of a window of one row; None where the reference says nothing.
        why: there is no value, where there is none.
        rows: of the window, those that it is estimated from and the others.
    """
    usable, unusable = rows
    low = high = None
    if value is None:
        note = why
    elif deviation is None:
        note = "no band: the reference has no such row"
    else:
        error = _BAND * deviation / math.sqrt(usable)
        highest = CATALOGUE[f"estimated_{name}"].high
        low, high = max(value - error, 0.0), min(value + error, highest)
        note = "low and high are three standard errors of a window of so many rows"
    if unusable:
        note += f"; {unusable} rows without a usable output are left out"
    return Statistic(f"estimated_{name}", value, usable, note=note, low=low, high=high)


def _share_error(count: int, of: int, reference_rows: int, rows: int) -> float | None:
    if not of:
        return None
    share = count / of
    return math.sqrt(share * (1 - share) / (rows * of / reference_rows))


def _auc_error(histogram: Ints, rows: int) -> float | None:
    negatives, positives = histogram
    counts = int(negatives.sum()), int(positives.sum())
    if not all(counts):
        return None
    # For each bin the share of rows of the other class that a row there is in order with.
    below = (np.cumsum(negatives) - negatives / 2) / counts[0]
    above = 1 - (np.cumsum(positives) - positives / 2) / counts[1]
    variance = sum(
        _variance(placed, there) * sum(counts) / (rows * there.sum())
        for placed, there in ((below, positives), (above, negatives))
    )
    return math.sqrt(variance)


def _variance(values: Floats, counts: Ints) -> float:
    mean = np.average(values, weights=counts)
    return float(np.average((values - mean) ** 2, weights=counts))
