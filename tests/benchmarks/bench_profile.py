"""What counting costs: microseconds of CPU an event, on batches as the profiler decodes them.

Without an estimator of performance, with one of a score (CBPE), and of a regression (DLE).

Run by hand: `python tests/benchmarks/bench_profile.py`. Rounds alternate between the sizes of a
batch; the medians over them are shown. Set PYTHONPATH to another checkout to compare with it.
"""

from __future__ import annotations

import statistics
import time

import numpy as np

from kedge.contracts import PredictionBatch, Tags, decode_predictions, encode_batch
from kedge.contracts.predictions import Column, State
from kedge.performance import estimator_of, with_estimator
from kedge.profile import Reference, count_windows, reference_of

MINUTE = 60_000_000


def columns(rows: int, seed: int, nulls: float = 0.02) -> tuple[Column, ...]:
    """20 features: 14 numbers with a share of null, 6 categories; and a score."""
    rng = np.random.default_rng(seed)
    numbers = [
        Column(
            f"n{i}",
            "feature",
            "number",
            np.where(rng.random(rows) < nulls, State.NULL, State.VALUE).astype(np.uint8),
            rng.normal(size=rows),
        )
        for i in range(14)
    ]
    categories = [
        Column(
            f"c{i}",
            "feature",
            "text",
            np.zeros(rows, np.uint8),
            rng.integers(0, 4, rows).astype(np.int32),
            ("AA", "B6", "DL", "UA"),
        )
        for i in range(6)
    ]
    score = Column("output", "output", "number", np.zeros(rows, np.uint8), rng.random(rows))
    return (*numbers, *categories, score)


def references() -> dict[str, Reference]:
    data, rng = columns(20_000, seed=1), np.random.default_rng(2)
    score, first = data[-1].values, data[0].values
    plain = reference_of(data)
    return {
        "no estimator": plain,
        "CBPE": with_estimator(plain, data, (rng.random(len(score)) < score).tolist()),
        "DLE": with_estimator(plain, data, (score + first * rng.normal(size=len(score))).tolist()),
    }


def batch(rows: int) -> PredictionBatch:
    """As it comes from the wire."""
    return decode_predictions(
        encode_batch(
            PredictionBatch(
                Tags("m", "mv", "cv", 1, "production"),
                [str(i) for i in range(rows)],
                np.arange(rows, dtype=np.int64),
                np.full(rows, 1.0, np.float32),
                columns(rows, seed=rows),
            )
        )
    )


def main() -> None:
    known = {name: (each, estimator_of(each)) for name, each in references().items()}
    batches = {rows: batch(rows) for rows in (500, 10_000)}
    taken: dict[tuple[int, str], list[float]] = {
        (rows, name): [] for rows in batches for name in known
    }
    for _ in range(15):
        for (rows, name), times in taken.items():
            repeats = 20_000 // rows
            began = time.process_time()
            for _ in range(repeats):
                count_windows(batches[rows], known[name][0], MINUTE, known[name][1])
            times.append((time.process_time() - began) / repeats / rows * 1e6)
    for (rows, name), times in taken.items():
        low, *_, high = statistics.quantiles(times, n=4)
        median = statistics.median(times)
        print(f"{rows:>6} rows, {name}: {median:.3f} µs/event ({low:.3f} to {high:.3f})")  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
