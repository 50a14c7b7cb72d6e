"""How many outcomes a second one evaluator joins and one assessor scores, and what they hold.

Run by hand, with a broker: `KEDGE_KAFKA__BOOTSTRAP_SERVERS=HOST:PORT python
tests/benchmarks/bench_evaluator.py`. Predictions are archived first, and their outcomes are all in
the topic, in another order. Then the two services start, each in its own process, and the clock
stops when every outcome is joined and scored. `--kill` kills the evaluator when it has read a half.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from functools import partial
from pathlib import Path

import numpy as np

from kedge import archiver
from kedge.archive import connect
from kedge.contracts import (
    PackedIds,
    PredictionBatch,
    Tags,
    Topics,
    columns_of,
    decode,
    encode,
    encode_batch,
)
from kedge.profile import reference_of
from kedge.settings import Settings
from kedge.streams import CommittedLog
from kedge.streams.clients import producer
from kedge.streams.topics import create_topics
from services import release_event, running

MINUTE = 60_000_000
START = 1_700_000_000_000_000 // MINUTE * MINUTE
TAGS = Tags("flights", "mv", "cv", 1, "production")
BATCH = 500
_LOOK = 1.0
"""Seconds between looks, each of which reads the topics and so takes from what is measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=300_000)
    parser.add_argument("--share", type=float, default=1.0, help="of them that have an outcome")
    parser.add_argument("--kill", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), topic_prefix=f"bench-{uuid.uuid4().hex[:8]}")
        create_topics(settings.kafka, settings)
        print(json.dumps(_measured(settings, asked), indent=2))  # noqa: T201 - its purpose


def _measured(settings: Settings, asked: argparse.Namespace) -> dict[str, float]:
    rng, topics = np.random.default_rng(1), Topics(settings.topic_prefix)
    client = producer(settings.kafka)
    scores = rng.beta(2, 2, asked.predictions)
    ids = PackedIds(rng.bytes(16 * asked.predictions))
    features = columns_of([{"distance": 1.0}] * BATCH, "feature")
    outputs = [{"output": score} for score in scores.tolist()]
    reference = reference_of([*features, *columns_of(outputs[:BATCH], "output")])
    client.produce(topics.releases, release_event("flights", 1, reference), "flights/1")
    for first in range(0, asked.predictions, BATCH):
        rows = slice(first, first + BATCH)
        batch = PredictionBatch(
            TAGS,
            PackedIds(ids.data[16 * first : 16 * (first + BATCH)]),
            START + np.arange(first, first + BATCH, dtype=np.int64) * 10_000,
            np.full(BATCH, np.nan, np.float32),
            (*features, *columns_of(outputs[rows], "output")),
        )
        client.produce(topics.predictions, encode_batch(batch), str(first % 7))
        client.poll(0)
    known = int(asked.predictions * asked.share)
    for row in rng.permutation(asked.predictions)[:known].tolist():
        outcome = {
            "prediction_id": ids[row],
            "model": TAGS.model,
            "environment": TAGS.environment,
            "known_at": START + row * 10_000 + 3600 * 1_000_000,
            "truth": bool(scores[row] > 0.5),
        }
        client.produce(topics.outcomes, encode("outcome", outcome), ids[row])
        client.poll(0)
    client.flush()
    with running(archiver.run, settings=settings):
        archive = connect(settings.archive_url)
        while archive.execute("SELECT count(*) FROM predictions").fetchone() != (
            asked.predictions,
        ):
            time.sleep(0.2)
    begun = time.monotonic()
    processes = {name: _start(settings, name) for name in ("evaluator", "assessor")}
    peaks = dict.fromkeys(processes, 0)
    joined = partial(
        _total, settings, topics.performance, "performance", lambda r: len(r["truths"])
    )
    joined_after = 0.0
    killed = not asked.kill
    while (done := joined()) < known:
        if not killed and done >= known // 2:
            processes["evaluator"].kill()
            processes["evaluator"].wait()
            processes["evaluator"] = _start(settings, "evaluator")
            killed = True
        _note(peaks, processes)
        time.sleep(_LOOK)
    joined_after = time.monotonic() - begun
    while _scored(settings) < known:
        _note(peaks, processes)
        time.sleep(_LOOK)
    scored_after = time.monotonic() - begun
    worked = {name: _cpu_seconds(process) for name, process in processes.items()}
    for process in processes.values():
        process.terminate()
        process.wait()
    return {
        "outcomes": known,
        "joined": joined(),
        "seconds_joined": round(joined_after, 2),
        "seconds_scored": round(scored_after, 2),
        "outcomes_per_second_joined": round(known / joined_after),
        **{f"{name}_cpu_seconds": seconds for name, seconds in worked.items()},
        **{f"{name}_peak_mib": round(peak / 1024) for name, peak in peaks.items()},
    }


def _start(settings: Settings, name: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_STREAM__INSTANCE": "one",
    }
    command = [sys.executable, "-m", "kedge", "run", name]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Of a process since it started, its start included."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _note(peaks: dict[str, int], processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """The most KiB of memory that each process has had."""
    for name, process in processes.items():
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                peaks[name] = max(peaks[name], int(line.split()[1]))


def _total(settings: Settings, topic: str, contract: str, count) -> int:
    total = 0
    for partition in range(settings.stream.partitions):
        with CommittedLog(settings.kafka, topic, partition) as log:
            total += sum(count(decode(value, contract)[1]) for _key, value in log.news())
    return total


def _scored(settings: Settings) -> int:
    newest: dict[int, tuple[int, int]] = {}
    topic = Topics(settings.topic_prefix).statistics
    for partition in range(settings.stream.partitions):
        with CommittedLog(settings.kafka, topic, partition) as log:
            for _key, value in log.news():
                record = decode(value, "statistic")[1]
                rows = sum(each["rows"] for each in record["statistics"][1:2])
                start = record["window_start"]
                newest[start] = max(newest.get(start, (-1, 0)), (record["revision"], rows))
    return sum(rows for _revision, rows in newest.values())


if __name__ == "__main__":
    main()
