"""Outcomes joined with predictions days late: the evaluator's own code, how fast and in how much.

    PYTHONPATH=tests python -m benchmarks.archive.join --predictions 100000000 --outcomes 10000000

A synthetic archive is made (or taken, with `--history`), then one process has the evaluator read it
and join micro-batches of outcomes; only Kafka is left out. `--seconds` ends the joining early.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.archive import history
from kedge.contracts import Topics, columns_of, decode, encode
from kedge.evaluation.truths import Truths
from kedge.evaluator import Evaluator
from kedge.profile import reference_of
from kedge.settings import Settings, micros
from kedge.streams import Incoming, KnownRelease

DAYS = 7
BATCH = 20_000
_JITTER = history.DAY // 24
"""Outcomes come in the order of their predictions, but for up to an hour."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--outcomes", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--history", type=Path, help="an archive that write_history made")
    asked = parser.parse_args()
    root = asked.history or Path(tempfile.mkdtemp(prefix="kedge-history-"))
    try:
        if asked.history is None:
            history.write_history(root, asked.predictions, DAYS)
        for line in measured(root, asked.predictions, asked.outcomes, asked.seconds):
            print(json.dumps(line), flush=True)  # noqa: T201 - its purpose
    finally:
        if asked.history is None:
            shutil.rmtree(root)


def measured(root: Path, predictions: int, outcomes: int, seconds: float = float("inf")):
    """What each step took: first reading the archive, then joining."""
    evaluator = _evaluator(root)
    rng = np.random.default_rng(1)
    started = time.monotonic(), time.process_time()
    joined = _joined(evaluator.process(_outcomes(np.array([predictions - 1]), 0)))
    told = 0
    while not evaluator._caught_up:
        joined += _joined(evaluator.idle(_end()))
        read = sum(evaluator._predictions.values())
        if read >= told + 10_000_000:
            told = read
            yield {"step": "reading", "predictions": read, **_took(started, read)}
    read = sum(evaluator._predictions.values())
    yield {"step": "read", "predictions": read, **_took(started, read)}
    # Each joined once, in the order of time but for the jitter.
    step = max(1, predictions // outcomes)
    rows = np.arange(0, predictions - 1, step)[:outcomes]
    jitter = rng.integers(0, max(1, _JITTER * predictions // (DAYS * history.DAY)), len(rows))
    rows = rows[np.argsort(rows + jitter)]
    batches, done = [], 1
    spent = np.zeros(2)
    for first in range(0, len(rows), BATCH):
        batch = _outcomes(rows[first : first + BATCH], done)
        begun = np.array([time.monotonic(), time.process_time()])
        joined += _joined(evaluator.process(batch))
        spent_now = np.array([time.monotonic(), time.process_time()]) - begun
        spent += spent_now
        batches.append(spent_now[0])
        done += len(batch)
        if spent[0] > seconds:
            break
    yield {
        "step": "join",
        "outcomes": done,
        "joined": joined,
        "seconds": round(spent[0], 1),
        "cpu_seconds": round(spent[1], 1),
        "outcomes_per_cpu_second": round(done / spent[1]),
        "micro_batches": len(batches),
        "median_ms": round(float(np.median(batches)) * 1e3),
        "longest_ms": round(max(batches) * 1e3),
        **_memory(),
    }
    size = sum(each.stat().st_size for each in Path(evaluator._shelf._folder.name).rglob("*.*"))
    evaluator.close()
    yield {"step": "disk", "bytes_a_prediction": round(size / predictions, 1)}


def _evaluator(root: Path) -> Evaluator:
    settings = Settings(
        archive={"url": str(root)}, evaluator={"horizon": 2 * DAYS * 86_400.0, "patience": 86_400.0}
    )
    outputs = [{"output": i / 1000} for i in range(1000)]
    reference = reference_of(columns_of(outputs, "output"))
    release = KnownRelease(history.MODEL, 1, "mv", "cv", reference, None)
    # No topic is read: what there is to know of releases is this.
    releases = SimpleNamespace(release=lambda _model, _number: release)
    evaluator = Evaluator(releases, Topics(), settings, {})
    own = settings.evaluator
    evaluator._truths[0] = Truths(
        evaluator._shelf.truths(0),
        horizon=micros(own.horizon),
        patience=micros(own.patience),
        most_waiting=own.most_waiting,
    )
    return evaluator


def _end() -> int:
    return history.START + (DAYS + 1) * history.DAY


def _outcomes(rows, offset: int) -> list[Incoming]:
    truths = (rows % 3 == 0).tolist()
    return [
        Incoming("outcomes", 0, offset + at, _end(), name.encode(), encode("outcome", {
            "prediction_id": name,
            "model": history.MODEL,
            "environment": history.ENVIRONMENT,
            "known_at": _end(),
            "truth": truth,
        }))
        for at, (name, truth) in enumerate(zip(history.ids(rows), truths, strict=True))
    ]  # fmt: skip


def _joined(outgoing) -> int:
    topic = Topics().performance
    return sum(
        len(decode(each.value, "performance")[1]["truths"])
        for each in outgoing
        if each.topic == topic
    )


def _took(started, events: int):
    seconds = time.monotonic() - started[0]
    cpu = time.process_time() - started[1]
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "predictions_per_cpu_second": round(events / cpu),
        **_memory(),
    }


def _memory():
    """The most that this process has had in memory, mapped files among it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mib": round(peak / (1 if sys.platform == "linux" else 1024) / 1024)}


if __name__ == "__main__":
    main()
