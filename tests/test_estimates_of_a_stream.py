"""NannyML's estimates on its own car loans, as published by the services; and labels after them."""

import json
import uuid
from pathlib import Path

import numpy as np
import pytest

from kedge import alerting, archiver, assessor, evaluator, monitor, profiler
from kedge.contracts import Tags, Topics, columns_of, decode, encode
from kedge.performance import with_estimator
from kedge.profile import reference_of
from logged import batch
from services import committed, eventually, produce, release_event, running

WINDOW = 60_000_000
START = 1_700_000_040_000_000 // WINDOW * WINDOW
CAR_LOAN = json.loads(
    (Path(__file__).parent / "performance" / "car_loan.json").read_text(encoding="utf-8")
)
# NannyML's first chunk before the drift of its data, and the first after it.
CHUNKS = [CAR_LOAN["chunks"][0], CAR_LOAN["chunks"][-1]]
LABELLED = 500
POLICY = """
model = "loans"
[[rules]]
name = "fewer loans are judged right"
statistic = "estimated_accuracy"
below = 0.93
"""


def _rows(counts):
    label, hundredth = np.nonzero(np.array(counts))
    repeats = np.array(counts)[label, hundredth]
    return np.repeat(hundredth / 100, repeats), np.repeat(label, repeats)


def _reference():
    score, label = _rows(CAR_LOAN["reference"])
    columns = columns_of([{"repaid": each} for each in score.tolist()], "output")
    return with_estimator(reference_of(columns), columns, label.tolist(), threshold=0.65)


def _predictions(window, score):
    rng = np.random.default_rng(window)
    return [
        {
            "id": str(uuid.UUID(bytes=rng.bytes(16))),
            "time": START + window * WINDOW + i * WINDOW // len(score),
            "features": {},
            "filled": [],
            "outputs": {"repaid": each},
            "latency": 1.0,
            "error": None,
        }
        for i, each in enumerate(rng.permutation(score).tolist())
    ]


def _statistics(settings, part):
    """Of the newest revision of each window, by name."""
    newest = {}
    for value in committed(settings.kafka, Topics(settings.topic_prefix).statistics):
        record = decode(value, "statistic")[1]
        known = newest.get(record["window_start"])
        if record["part"] == part and (known is None or known["revision"] < record["revision"]):
            newest[record["window_start"]] = record
    return [
        {each["name"]: each for each in newest[start]["statistics"] if each["column"] is None}
        for start in sorted(newest)
    ]


def test_estimates_come_with_the_predictions_and_are_held_against_the_labels(
    make_settings, tmp_path
):
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    settings = make_settings(
        alerting={"policy": policy},
        archive={"flush_seconds": 0.3},
        evaluator={"batch_wait": 0.1, "publish_every": 0.2},
        stream={"idle_after": 0.5},
    )
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.releases, [release_event("loans", 1, _reference())], b"1")
    windows = [_predictions(i, _rows(chunk["rows"])[0]) for i, chunk in enumerate(CHUNKS)]
    tags = Tags("loans", "mv", "cv", 1, "production")
    for rows in windows:
        parts = [batch(rows[at : at + 500], tags) for at in range(0, len(rows), 500)]
        produce(settings.kafka, topics.predictions, parts)
    services = (profiler.run, monitor.run, alerting.run, archiver.run, evaluator.run, assessor.run)
    with running(*services, settings=settings):
        published = eventually(
            lambda: _statistics(settings, "predictions"),
            lambda found: (
                len(found) >= len(CHUNKS)
                and all(
                    w["rows"]["value"] == len(rows) for w, rows in zip(found, windows, strict=False)
                )
            ),
        )
        alerts = eventually(lambda: committed(settings.kafka, topics.alerts), bool)
        # Every fifth of the first loans is repaid.
        truths = [i % 5 == 0 for i in range(LABELLED)]
        outcomes = [
            encode(
                "outcome",
                {
                    "prediction_id": row["id"],
                    "model": "loans",
                    "environment": "production",
                    "known_at": row["time"] + 1,
                    "truth": truth,
                },
            )
            for row, truth in zip(windows[0], truths, strict=False)
        ]
        produce(settings.kafka, topics.outcomes, outcomes)
        realised = eventually(
            lambda: _statistics(settings, "performance"),
            lambda found: bool(found) and found[0].get("accuracy", {}).get("rows") == LABELLED,
        )[0]
    for window, chunk in zip(published, CHUNKS, strict=False):
        for name, theirs in chunk["nannyml"].items():
            estimated = window[f"estimated_{name}"]
            # Within half a percentage point is what is asked for.
            assert estimated["value"] == pytest.approx(theirs, abs=2e-5), name
            assert estimated["low"] < estimated["value"] < estimated["high"]
    alert = decode(alerts[0], "alert")[1]
    assert (alert["status"], alert["rule"]) == ("firing", "fewer loans are judged right")
    # Of the labelled rows alone, by NumPy.
    score = np.array([row["outputs"]["repaid"] for row in windows[0][:LABELLED]])
    (calibration,) = _reference().estimator["calibrations"]
    c = np.interp(score, calibration["scores"], calibration["probabilities"])
    over = score >= 0.65
    expected = np.mean(np.where(over, c, 1 - c)) - np.mean(over == np.array(truths))
    error = realised["estimation_error_accuracy"]
    assert (error["value"], error["rows"]) == (pytest.approx(expected, abs=1e-7), LABELLED)
    mean = realised["mean_estimation_error_accuracy"]
    assert (mean["value"], mean["rows"]) == (pytest.approx(abs(expected), abs=1e-7), LABELLED)
