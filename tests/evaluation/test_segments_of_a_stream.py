"""Performance by segment as it is published, against NumPy on the raw predictions and outcomes."""

import numpy as np
import pytest

from kedge import archiver, assessor, evaluator
from kedge.contracts import Tags, Topics, columns_of, decode, encode
from kedge.profile import reference_of
from kedge.streams.clients import producer
from logged import batch, single
from services import PATIENCE, committed, eventually, produce, release_event, running

WINDOW = 60_000_000
START = 1_700_000_040_000_000 // WINDOW * WINDOW
POLICY = """
model = "flights"

[[rules]]
name = "wrong from some airport"
statistic = "accuracy"
segment = "origin=*"
below = 0.5

[[rules]]
name = "wrong on short flights"
statistic = "accuracy"
segment = "distance=[0,500)"
below = 0.5

[[rules]]
name = "wrong at one small airport"
statistic = "accuracy"
segment = "origin=XYZ"
below = 0.5

[[rules]]
name = "errors drift"
statistic = "concept_drift"
kind = "hddm_a"
above = 0
"""


@pytest.fixture
def settings(make_settings, tmp_path):
    (tmp_path / "policy.toml").write_text(POLICY)
    return make_settings(
        alerting={"policy": tmp_path / "policy.toml"},
        archive={"flush_seconds": 0.3},
        evaluator={"batch_wait": 0.1, "publish_every": 0.2},
        stream={"partitions": 2},
    )


def _rows(count):
    rng = np.random.default_rng(1)
    return [
        {
            "id": f"p{i}",
            "time": START + i * WINDOW // count,
            "release": 1,
            "features": {
                "origin": str(rng.choice(["JFK", "EWR", "XYZ", "ABC"])),
                # Whole numbers, fractions, and now and then none.
                "distance": None if i % 50 == 0 else float(rng.integers(0, 4000)) / 2,
            },
            "filled": [],
            "outputs": {"output": float(rng.beta(2, 2))},
            "latency": 1.0,
            "error": None,
        }
        for i in range(count)
    ]


def _publish_release(settings, rows):
    known = [row for row in rows if row["features"]["origin"] in ("JFK", "EWR")]
    features, outputs = ([row[side] for row in known] for side in ("features", "outputs"))
    reference = reference_of([*columns_of(features, "feature"), *columns_of(outputs, "output")])
    topic = Topics(settings.topic_prefix).releases
    produce(settings.kafka, topic, [release_event("flights", 1, reference)], "flights/1")


def _send_outcomes(settings, outcomes):
    client, topic = producer(settings.kafka), Topics(settings.topic_prefix).outcomes
    for name, truth, known_at in outcomes:
        record = {
            "prediction_id": name,
            "model": "flights",
            "environment": "test",
            "known_at": known_at,
            "truth": truth,
        }
        client.produce(topic, encode("outcome", record), name.encode())
    assert client.flush(PATIENCE) == 0


def _in_segments(row):
    origin, distance = row["features"]["origin"], row["features"]["distance"]
    yield f"origin={origin}" if origin in ("JFK", "EWR") else "origin=other"
    if origin == "XYZ":
        yield "origin=XYZ"
    if distance is not None and distance < 500:
        yield "distance=[0,500)"


def _expected(rows, truths):
    """Accuracy, joined rows, predictions and coverage of each segment."""
    segments = {}
    for row in rows:
        for name in _in_segments(row):
            segments.setdefault(name, []).append(row)
    expected = {}
    for name, members in segments.items():
        right = [
            (row["outputs"]["output"] >= 0.5) == truths[row["id"]]
            for row in members
            if row["id"] in truths
        ]
        accuracy = pytest.approx(np.mean(right))
        expected[name] = (accuracy, len(right), len(members), len(right) / len(members))
    return expected


def _newest(settings):
    records = [
        decode(value, "statistic")[1]
        for value in committed(settings.kafka, Topics(settings.topic_prefix).statistics)
    ]
    return max(records, key=lambda record: record["revision"], default={"statistics": []})


def _published(settings):
    found = {}
    for each in _newest(settings)["statistics"]:
        if each["segment"] is not None and each["name"] in ("accuracy", "label_coverage"):
            found.setdefault(each["segment"], {})[each["name"]] = each
    return {
        name: (
            both["accuracy"]["value"],
            both["accuracy"]["rows"],
            both["label_coverage"]["rows"],
            both["label_coverage"]["value"],
        )
        for name, both in found.items()
        if "accuracy" in both
    }


def test_segments_of_a_policy_are_published_corrected_and_outlive_a_restart(settings):
    rows = _rows(600)
    known = {row["id"]: row["time"] + 5 for row in rows}
    truths = {row["id"]: i % 3 == 0 for i, row in enumerate(rows) if i % 5}
    _publish_release(settings, rows)
    with running(assessor.run, settings=settings):
        with running(archiver.run, evaluator.run, settings=settings):
            topic, tags = (
                Topics(settings.topic_prefix).predictions,
                Tags("flights", "mv", "cv", 1, "test"),
            )
            produce(settings.kafka, topic, [batch(rows[:400], tags)])
            produce(settings.kafka, topic, [single(row, tags) for row in rows[400:]])
            _send_outcomes(settings, [(name, truth, known[name]) for name, truth in truths.items()])
            expected = _expected(rows, truths)
            assert set(expected) == {
                "origin=JFK",
                "origin=EWR",
                "origin=other",
                "origin=XYZ",
                "distance=[0,500)",
            }
            eventually(lambda: _published(settings), lambda found: found == expected)
        corrected = {name: not truth for name, truth in list(truths.items())[::4]}
        with running(evaluator.run, settings=settings):
            _send_outcomes(
                settings, [(name, truth, known[name] + 1) for name, truth in corrected.items()]
            )
            expected = _expected(rows, truths | corrected)
            eventually(lambda: _published(settings), lambda found: found == expected)
    drift = [s for s in _newest(settings)["statistics"] if s["name"] == "concept_drift"]
    assert [(each["kind"], each["rows"]) for each in drift] == [("hddm_a", len(truths))]
