"""Profiles and statistics of rows, for tests that have the rows."""

import numpy as np

from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import count_windows
from kedge.statistics import window_statistics


def batch_of(rows, outputs=(), times=None):
    """Features and outputs, a mapping a row each, all of one instant unless times are given."""
    return PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        ["id"] * len(rows),
        np.zeros(len(rows), np.int64) if times is None else np.array(times, np.int64),
        np.full(len(rows), np.nan, np.float32),
        (*columns_of(rows, "feature"), *columns_of(outputs, "output")),
    )


def profile_of(rows, reference):
    return count_windows(batch_of(rows), reference, 1)[0]


def statistics_of(rows, reference):
    """By name, for one column; missing rates by kind are left out."""
    found = window_statistics(profile_of(rows, reference), reference)
    return {each.name: each for each in found if each.kind is None}
