"""How far a metric of a window is off by chance alone: standard errors from the reference.

Rates of the reference, number of rows of the window. They say nothing about a change of the
concept, which no estimate without labels can see.
"""

from __future__ import annotations

import math

import numpy as np

from kedge.contracts.predictions import Floats, Ints
from kedge.performance.classification import ProbabilityScores

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


def band(value: float, error: float, highest: float) -> str:
    """Three standard errors to either side, within 0 and the highest value, for a note."""
    low, high = max(value - _BAND * error, 0), min(value + _BAND * error, highest)
    return f"{low:.4f} to {high:.4f} by chance alone"


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
