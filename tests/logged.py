"""Rows of predictions in both forms of message, for tests that several modules share."""

import uuid

import numpy as np

from kedge.contracts import PredictionBatch, Tags, columns_of, encode, encode_batch

TAGS = Tags("flights", "mv", "cv", 7, "test")
START = 1_359_676_800_000_000
"""2013-02-01, microseconds since 1970 UTC."""
DAY = 86_400_000_000


def release_event(
    signature, number=TAGS.release, model=TAGS.model, *, versions=("mv", "cv"), time=START
):
    return encode(
        "release_event",
        {
            "id": str(uuid.uuid4()),
            "time": time,
            "model": model,
            "actor": "tester",
            "reason": "",
            "release": {
                "number": number,
                "model_version": versions[0],
                "code_version": versions[1],
                "reference_rows": 0,
                "columns": [
                    {"name": name, "role": role, "type": type_, "counts": [0], "missing": [0] * 8}
                    for (role, name), type_ in signature.items()
                ],
            },
        },
    )


def single(row, tags=TAGS):
    return encode(
        "prediction",
        {
            "id": row["id"],
            "event_time": row["time"],
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "features": row["features"],
            "imputed": sorted(row["filled"]),
            "outputs": row["outputs"],
            "latency_ms": row["latency"],
            "error": row["error"],
        },
    )


def batch(rows, tags=TAGS):
    return encode_batch(
        PredictionBatch(
            tags,
            [row["id"] for row in rows],
            np.array([row["time"] for row in rows], np.int64),
            np.array([row["latency"] for row in rows], np.float32),
            (
                *columns_of(
                    [row["features"] for row in rows], "feature", [row["filled"] for row in rows]
                ),
                *columns_of([row["outputs"] for row in rows], "output"),
            ),
            {i: row["error"] for i, row in enumerate(rows) if row["error"]},
        )
    )
