"""What logging costs the caller, beside the cheapest thing that could be called logging.

Run by hand, with a broker: `python tests/benchmarks/bench_sdk.py --bootstrap-servers HOST:PORT`.

`baseline` appends features, a uuid4 and the time to a deque that nobody reads; while `prediction`
is measured, the background thread encodes and sends. `tight` is one loop without pauses, `paced`
leaves pauses between the calls, as a server does. A call is timed from its first instruction: what
a thread waits for the interpreter when it wakes up is not in it. Rounds alternate; the medians over
them are shown.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import time
import uuid
from collections import deque
from pathlib import Path

import numpy as np
from confluent_kafka.admin import AdminClient, NewTopic

from kedge import LiveRelease, PredictionLogger
from kedge.contracts import Topics

PERCENTILES = (50.0, 99.0, 99.9)


def feature_rows(count: int, seed: int = 8) -> list[dict[str, object]]:
    """20 features: 14 numbers with 2 % null, 6 categories."""
    draw = random.Random(seed)
    return [
        {
            **{f"n{i}": None if draw.random() < 0.02 else draw.gauss(0, 1) for i in range(14)},
            **{f"c{i}": draw.choice(("AA", "B6", "DL", "UA")) for i in range(6)},
        }
        for _ in range(count)
    ]


def calls(one, rows, pause: float) -> dict[str, float]:
    """Microseconds a call, by percentile."""
    taken = np.empty(len(rows))
    clock = time.perf_counter_ns
    for at, row in enumerate(rows):
        began = clock()
        one(row)
        taken[at] = clock() - began
        if pause:
            time.sleep(pause)
    return {f"p{q:g}": float(np.percentile(taken, q)) / 1000 for q in PERCENTILES}


def median_of(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(r[key] for r in rounds), 2) for key in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()

    kafka = {"bootstrap.servers": arguments.bootstrap_servers}
    prefix = f"bench{uuid.uuid4().hex[:8]}"
    topics = Topics(prefix)
    admin = AdminClient(kafka)
    for made in admin.create_topics([NewTopic(topics.predictions, 4, 1)]).values():
        made.result()

    rows = feature_rows(arguments.events)
    release = LiveRelease("bench", 1, "model-1", "code-1")
    queue: deque[object] = deque()

    def baseline(row):
        queue.append((str(uuid.uuid4()), time.time_ns() // 1000, row, 0.5))

    results: dict[str, object] = {
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    with PredictionLogger(
        release, kafka=kafka, topic_prefix=prefix, queue_events=10 * arguments.events
    ) as log:

        def logged(row):
            log.prediction(row, 0.5)

        for name, pause, part in (("tight", 0.0, rows), ("paced", 1e-4, rows[: len(rows) // 4])):
            measured: dict[str, list[dict[str, float]]] = {"baseline": [], "prediction": []}
            cpu: list[float] = []
            for _ in range(arguments.rounds):
                queue.clear()
                measured["baseline"].append(calls(baseline, part, pause))
                before, sent = time.process_time(), log.counts.delivered
                measured["prediction"].append(calls(logged, part, pause))
                log.flush(120)
                events = log.counts.delivered - sent
                assert events == len(part), log.counts
                cpu.append((time.process_time() - before) / events * 1e6)
            results[name] = {key: median_of(value) for key, value in measured.items()}
            if not pause:  # with pauses, they are most of it
                results["process CPU µs an event"] = round(statistics.median(cpu), 2)

        columns = {key: np.array([row[key] for row in rows], float) for key in list(rows[0])[:14]}
        columns |= {key: [row[key] for row in rows] for key in list(rows[0])[14:]}
        outputs = np.full(len(rows), 0.5)
        caller, whole = [], []
        for _ in range(arguments.rounds):
            before, began = time.process_time(), time.perf_counter()
            log.batch(columns, outputs)
            caller.append((time.perf_counter() - began) / len(rows) * 1e6)
            log.flush(120)
            whole.append((time.process_time() - before) / len(rows) * 1e6)
        results["batch: caller's µs a row"] = round(statistics.median(caller), 3)
        results["batch: process CPU µs a row"] = round(statistics.median(whole), 3)
        results["counts"] = str(log.counts)
    for deleted in admin.delete_topics([topics.predictions]).values():
        deleted.result()
    text = json.dumps(results, indent=2, ensure_ascii=False)
    print(text)  # noqa: T201 - what it is run for
    if arguments.json:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
