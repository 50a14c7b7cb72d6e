"""How many archived predictions a second a backtest reads, and what it holds meanwhile.

Run by hand: `PYTHONPATH=tests python tests/benchmarks/bench_backtest.py`. Batches of 20 features
are archived first, in minutes of event time and spread over partitions; a policy of two rules is
then tried beside another. Peak memory is that of a process that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
import uuid
from pathlib import Path

import numpy as np

from kedge.archive import ColumnLedger, Disk, PartitionWriter
from kedge.backtest import backtest
from kedge.contracts import PackedIds, PredictionBatch, Tags, columns_of, encode_batch
from kedge.policy import parse
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.settings import Settings
from logged import release_event

MINUTE = 60_000_000
START = 1_750_000_000_000_000 // MINUTE * MINUTE
BATCH = 500
A_MINUTE = 5000
"""Predictions."""
PARTITIONS = 4
NUMBERS = [f"n{number}" for number in range(14)]
TEXTS = [f"c{number}" for number in range(6)]
POLICY = """
model = "flights"
[[rules]]
name = "drift"
statistic = "psi"
above = {above}
[[rules]]
name = "missing"
statistic = "missing_increase"
above = {above}
action = "rollback"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=1_000_000)
    asked = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as home:
        for step in (archived, measured):
            process = context.Process(target=step, args=(Path(home), asked.predictions))
            process.start()
            process.join()


def rows_of(random: np.random.Generator, rows: int) -> list[dict[str, object]]:
    numbers = random.normal(size=(rows, len(NUMBERS)))
    missing = random.random((rows, len(NUMBERS))) < 0.02
    texts = random.integers(0, 8, (rows, len(TEXTS)))
    return [
        {
            **{n: None if no else float(v) for n, v, no in zip(NUMBERS, *each[:2], strict=True)},
            **{name: f"v{code}" for name, code in zip(TEXTS, each[2], strict=True)},
        }
        for each in zip(numbers, missing, texts, strict=True)
    ]


def archived(home: Path, predictions: int) -> None:
    random = np.random.default_rng(1)
    settings = Settings(home=home)
    reference = reference_of(columns_of(rows_of(random, 5000), "feature"))
    with Registry.open(settings) as registry:
        artifact = home / "model.bin"
        artifact.write_bytes(b"weights")
        version = registry.register_model("flights", artifact, reference, actor="bench")
        code = registry.register_code("flights", commit="a" * 40, actor="bench")
        registry.create_release("flights", version.id, code.id, actor="bench")
    disk = Disk(Path(settings.archive_url))
    ledger = ColumnLedger(disk)
    releases = PartitionWriter(disk, ledger, "releases", "id", 0)
    releases.resume(0)
    signature = {c.spec.key: c.spec.type for c in reference.columns}
    releases.add(0, release_event(signature, 1, versions=(version.id, code.id), time=START))
    releases.flush()
    writers = [PartitionWriter(disk, ledger, "predictions", "id", p) for p in range(PARTITIONS)]
    for writer in writers:
        writer.resume(0)
    tags = Tags("flights", version.id, code.id, 1, "production")
    columns = columns_of(rows_of(random, BATCH), "feature")
    for batch in range(predictions // BATCH):
        at = START + batch * BATCH * MINUTE // A_MINUTE
        message = PredictionBatch(
            tags,
            PackedIds(b"".join(uuid.uuid4().bytes for _ in range(BATCH))),
            at + np.arange(BATCH) * (MINUTE // A_MINUTE),
            np.full(BATCH, 3.5, np.float32),
            columns,
        )
        writer = writers[batch % PARTITIONS]
        writer.add(batch // PARTITIONS, encode_batch(message))
        if writer.rows >= settings.archive.flush_records:
            writer.flush()
    for writer in writers:
        writer.flush()


def measured(home: Path, predictions: int) -> None:
    settings = Settings(home=home)
    policies = [parse(POLICY.format(above=above), "bench") for above in (0.1, 0.2)]
    with Registry.open(settings) as registry:
        began, worked = time.perf_counter(), time.process_time()
        report = backtest(
            settings.archive_url, registry, policies[0], in_force=policies[1:], settings=settings
        )
        wall, cpu = time.perf_counter() - began, time.process_time() - worked
    counts = report.trials[0].counts
    assert counts.predictions == predictions // BATCH * BATCH
    found = {
        "predictions": counts.predictions,
        "windows": counts.windows,
        "seconds": round(wall, 1),
        "predictions_per_second": round(counts.predictions / wall),
        "predictions_per_cpu_second": round(counts.predictions / cpu),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    print(json.dumps(found))  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
