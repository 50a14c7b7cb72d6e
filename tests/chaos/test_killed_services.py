"""Services killed at random instants: every prediction is counted once, and once only.

`KEDGE_CHAOS_KILLS` sets how many processes are killed; `make chaos` sets it high.
"""

import os
import random
import threading
import uuid
from collections import Counter

import numpy as np
import pytest
from confluent_kafka import Producer

from kedge.contracts import PredictionBatch, Tags, Topics, columns_of, decode, encode_batch
from kedge.profile import reference_of
from kedge.streams import CommittedLog
from kedge.supervisor import Child, Supervisor
from services import PATIENCE, committed, eventually, produce, release_event

KILLS = int(os.environ.get("KEDGE_CHAOS_KILLS", "6"))
WINDOW = 10_000_000
START = 1_700_000_000_000_000
TAGS = Tags("flights", "mv", "cv", 1, "production")
ROWS = 50


def _message(rng, first):
    """Predictions of about one window; the fifth input is missing now and then."""
    times = START + first * WINDOW // 4 + rng.integers(0, WINDOW, ROWS)
    rows = [{"x": float(rng.normal()) if rng.random() > 0.2 else None} for _ in range(ROWS)]
    batch = PredictionBatch(
        TAGS,
        [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(ROWS)],
        times,
        np.full(ROWS, np.nan, np.float32),
        columns_of(rows, "feature"),
    )
    return batch, encode_batch(batch)


def _rows(kafka, topics):
    return sum(decode(v)[1]["rows"] for v in committed(kafka, topics.profiles))


@pytest.mark.timeout(120 + 20 * KILLS)
def test_every_prediction_is_counted_once_whoever_is_killed(settings, monkeypatch, tmp_path):
    kafka, topics = settings.kafka, Topics(settings.topic_prefix)
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", kafka["bootstrap.servers"])
    monkeypatch.setenv("KEDGE_STREAM__WINDOW", str(WINDOW / 1e6))
    monkeypatch.setenv("KEDGE_STREAM__PARTITIONS", "2")
    # Small micro-batches, so that there is always one under way to be killed in.
    monkeypatch.setenv("KEDGE_STREAM__BATCH_RECORDS", "5")
    rng, dice = np.random.default_rng(7), random.Random(7)
    reference = reference_of(columns_of([{"x": float(x)} for x in rng.normal(size=500)], "feature"))
    produce(kafka, topics.releases, [release_event("flights", 1, reference)], b"release")

    children = [
        Child(f"{name}-{i}", ("run", name), {"KEDGE_STREAM__INSTANCE": str(i)})
        for name in ("profiler", "monitor")
        for i in range(2)
    ]
    stop = threading.Event()
    supervisor = Supervisor(children, logs=tmp_path, tend=lambda: None)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    client = Producer({"bootstrap.servers": kafka["bootstrap.servers"]})
    expected = Counter()
    missing = Counter()
    sent = 0
    try:
        for kill in range(KILLS):
            for i in range(40):
                batch, message = _message(rng, 10 * kill + i // 4)
                client.produce(topics.predictions, message)
                for time, state in zip(batch.event_times, batch.columns[0].states, strict=True):
                    expected[int(time) // WINDOW * WINDOW] += 1
                    missing[int(time) // WINDOW * WINDOW] += int(state != 0)
                sent += ROWS
            assert client.flush(PATIENCE) == 0
            victim = dice.choice(children)
            if victim.process is not None:
                victim.process.kill()
        eventually(lambda: _rows(kafka, topics), lambda rows: rows >= sent)
        # One message far later, in each partition, takes the watermark past everything.
        for partition in range(2):
            client.produce(topics.predictions, _message(rng, 100_000)[1], partition=partition)
        assert client.flush(PATIENCE) == 0
        newest = eventually(
            lambda: _published(kafka, topics),
            lambda found: sum(rows for rows, _ in found.values()) >= sent,
        )
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert _rows(kafka, topics) == sent + 2 * ROWS
    assert {start: rows for start, (rows, _) in newest.items() if start in expected} == expected
    shares = {start: share for start, (_, share) in newest.items() if start in expected}
    assert shares == {s: pytest.approx(missing[s] / expected[s], abs=1e-12) for s in expected}
    assert committed(kafka, topics.deadletter) == []


def _published(kafka, topics):
    """Rows and missing rate by window, of the newest revision."""
    newest = {}
    for partition in range(2):
        with CommittedLog(kafka, topics.statistics, partition) as log:
            for _, value in log.news():
                record = decode(value, "statistic")[1]
                (share,) = [
                    s["value"]
                    for s in record["statistics"]
                    if (s["name"], s["column"], s["kind"]) == ("missing_rate", "x", None)
                ]
                newest[record["window_start"]] = (record["rows"], share)
    return newest
