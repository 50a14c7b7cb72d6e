# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "confluent-kafka", "duckdb", "evidently==0.7.23", "fastavro", "numpy", "pandas<3", "pyarrow",
#   "rich", "river", "scipy",
# ]
# ///
"""Evidently's own preset beside the benchmark's rule, on the same windows.

Evidently needs an older pandas than Kedge's demo has, so this runs in an environment of its own:
`PYTHONPATH=services:tests uv run tests/benchmarks/decisions/evidently_parity.py`.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset
from rich.console import Console

from benchmarks.decisions.faults import chosen
from benchmarks.decisions.mixture import Mixture
from benchmarks.decisions.rules import EvidentlyPreset
from benchmarks.decisions.windows import Category, Rows, Window, counted, joined

WINDOWS = 6


def main() -> None:
    """Print each window's share of drifted columns, and the distances' differences."""
    console = Console()
    stream = Mixture("parity", past_windows=int(sys.argv[1]) if len(sys.argv) > 1 else 60)
    rng = np.random.default_rng(1)
    past = stream.past(rng)
    rule = EvidentlyPreset(past)
    known = _data_set(joined([window.rows for window in past.windows]))
    names = [column.spec.name for column in past.reference.columns]
    gaps, agreeing, spent = [], 0, 0.0
    for index in range(WINDOWS):
        fault = chosen(("none", "level shift", "clipped values")[index % 3], 0.3, past, rng)
        rows = fault.applied(stream.drawn(index, stream.rows, rng), index, rng)
        mine = rule.drifts(Window(index, counted(rows, past.reference)))
        began = time.process_time()
        run = Report([DataDriftPreset()]).run(_data_set(rows), known)
        spent += time.process_time() - began
        metrics = {m["config"].get("column", ""): m for m in run.dict()["metrics"]}
        theirs = np.array([float(metrics[name]["value"]) for name in names]) / 0.1
        gaps.append(np.abs(mine - theirs) * 0.1)
        agreeing += int(((mine >= 1) == (theirs >= 1)).sum())
        share = metrics[""]["value"]["share"]
        console.print(f"window {index}: share {(mine >= 1).mean():.2f}, Evidently's {share:.2f}")
    every = np.array(gaps)
    numeric = np.array([column.spec.type == "numeric" for column in past.reference.columns])
    for what, those in (("numbers", every[:, numeric]), ("categories", every[:, ~numeric])):
        console.print(f"{what}: distance off by {np.median(those):.4f}, at most {those.max():.4f}")
    console.print(f"columns judged alike: {agreeing} of {every.size}")
    console.print(f"Evidently: {spent / WINDOWS:.2f} s of processor time a window")


def _data_set(rows: Rows) -> Dataset:
    frame, numbers, categories = {}, [], []
    for name, values in rows.features.items():
        if isinstance(values, Category):
            categories.append(name)
            frame[name] = np.array(values.labels)[values.codes]
        else:
            numbers.append(name)
            frame[name] = values
    kinds = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    return Dataset.from_pandas(pd.DataFrame(frame), kinds)


if __name__ == "__main__":
    main()
