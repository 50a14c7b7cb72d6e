"""Predictions with one feature, for tests that count what became of them."""

import numpy as np

from kedge.contracts import PredictionBatch, Producer, Tags, columns_of, encode_batch
from kedge.profile import reference_of

TAGS = Tags("flights", "mv", "cv", 1, "production")
TIME = 1_700_000_000_000_000


def reference():
    return reference_of(columns_of([{"x": float(number)} for number in range(100)], "feature"))


def message(ids, model="flights", release=1, producer=None, time=TIME):
    """A batch of predictions with these names; the producer is its id and its sequence."""
    rows = len(ids)
    return encode_batch(
        PredictionBatch(
            Tags(model, TAGS.model_version, TAGS.code_version, release, TAGS.environment),
            ids,
            np.full(rows, time, np.int64),
            np.full(rows, np.nan, np.float32),
            columns_of([{"x": 1.0}] * rows, "feature"),
            producer=None if producer is None else Producer(*producer, dropped=0),
        )
    )
