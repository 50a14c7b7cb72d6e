"""Kedge's distances beside those of SciPy, Evidently and NannyML on the same raw data.

`PYTHONPATH=services:tests python -m benchmarks.parity [number of data sets]`. Evidently and NannyML
need older versions of pandas than Kedge, so they run in environments of their own:
`KEDGE_PARITY_EVIDENTLY` and `KEDGE_PARITY_NANNYML` name their Python; the one that is not named is
left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, ks_2samp, wasserstein_distance

from benchmarks.parity.data_sets import DataSet, data_sets
from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import UNIT, Profile, Reference, count_windows, reference_of
from kedge.statistics import Statistic, hellinger, js_distance, psi, window_statistics

Values = Mapping[str, float]


def main() -> None:
    """Print the table of `docs/statistics-parity.md`."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    sets = list(data_sets(number))
    mine = [_mine(each) for each in sets]
    rows = list(_rows("SciPy, NumPy", sets, mine, [_raw(each) for each in sets]))
    rows += _within_bounds(sets, mine)
    for name in ("evidently", "nannyml"):
        python = os.environ.get(f"KEDGE_PARITY_{name.upper()}")
        if python:
            theirs = _foreign(python, name, sets)
            rows += _rows(name, sets, mine, theirs)
            binned = [_on_bins_of(name, each) for each in sets]
            rows += _rows(f"{name}, on its bins", sets, binned, theirs)
    console = Console(width=200)
    console.print("| statistic | against | data sets | median difference | largest |", markup=False)
    console.print("|---|---|---|---|---|", markup=False)
    for row in rows:
        console.print(f"| {' | '.join(row)} |", markup=False, highlight=False)


def _mine(data: DataSet) -> dict[str, Statistic]:
    reference, profile = _profiled(data)
    return {
        each.name: each
        for each in window_statistics(profile, reference)
        if each.column == "x" and each.value is not None and each.kind is None
    }


def _profiled(data: DataSet) -> tuple[Reference, Profile]:
    known, new = (
        columns_of([{"x": value} for value in side], "feature")
        for side in (data.reference, data.window)
    )
    reference, rows = reference_of(known), len(data.window)
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        [str(row) for row in range(rows)],
        np.zeros(rows, np.int64),
        np.full(rows, np.nan, np.float32),
        new,
    )
    return reference, count_windows(batch, reference, 60_000_000)[0]


def _raw(data: DataSet) -> Values:
    """From the raw values, with Kedge's bins alone."""
    reference, window = np.array(data.reference), np.array(data.window)
    if data.numeric:
        edges = _profiled(data)[0].columns[0].bins.edges
        counts = [
            np.bincount(np.digitize(side, edges), minlength=len(edges) + 1)
            for side in (window, reference)
        ]
        in_order = {
            "ks": ks_2samp(window, reference).statistic,
            "wasserstein": wasserstein_distance(window, reference) / reference.std(),
        }
    else:
        names = sorted(set(data.reference))
        window = np.where(np.isin(window, names), window, "")
        names.append("")
        counts = [
            np.array([(side == name).sum() for name in names]) for side in (window, reference)
        ]
        in_order = {}
    p, q = (count / count.sum() for count in counts)
    table = np.array(counts)[:, np.sum(counts, axis=0) > 0]
    a, b = (np.maximum(share, 1e-4) for share in (p, q))
    return {
        "psi": float(np.sum((a - b) * np.log(a / b))),
        "js_distance": float(jensenshannon(p, q, base=2)),
        "hellinger": float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / np.sqrt(2)),
        "l_infinity": float(np.abs(p - q).max()),
        "chi_squared": chi2_contingency(table, correction=False).statistic / (table.shape[1] - 1),
        **in_order,
    }


def _within_bounds(
    sets: Iterable[DataSet], mine: Iterable[Mapping[str, Statistic]]
) -> list[list[str]]:
    """How often the raw values' distance is within the published bounds."""
    rows = []
    for name in ("ks", "wasserstein"):
        inside, widths = [], []
        for data, statistics in zip(sets, mine, strict=True):
            if data.numeric:
                raw, low, high = _raw(data)[name], *_bounds(statistics[name])
                # Each value is rounded to a unit.
                inside.append(low - UNIT <= raw <= high + UNIT)
                widths.append(high - low)
        rows.append(
            [
                f"`{name}`, bounds",
                f"SciPy is within in {sum(inside)} of {len(inside)}",
                str(len(inside)),
                f"{np.median(widths):.2g} wide",
                f"{max(widths):.2g} wide",
            ]
        )
    return rows


def _bounds(statistic: Statistic) -> tuple[float, float]:
    assert statistic.value is not None
    low = statistic.value if statistic.low is None else statistic.low
    return low, statistic.value if statistic.high is None else statistic.high


def _foreign(python: str, name: str, sets: Iterable[DataSet]) -> list[Values]:
    script = Path(__file__).parent / f"{name}_numbers.py"
    done = subprocess.run(
        [python, str(script)],
        input=json.dumps(list(sets)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={"NML_DISABLE_USAGE_LOGGING": "1", "PYTHONWARNINGS": "ignore"},
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return [_in_our_units(name, *each) for each in zip(sets, found, strict=True)]


def _in_our_units(name: str, data: DataSet, theirs: Values) -> Values:
    """Nats as bits, the feature's unit as reference deviations, and a sum per degree of freedom."""
    units = (
        {"js_distance": np.sqrt(np.log(2))}
        if name == "evidently"
        else {
            "wasserstein": np.std(data.reference) if data.numeric else 1.0,
            "chi_squared": len({*data.reference, *data.window}) - 1,
        }
    )
    return {key: value / units.get(key, 1.0) for key, value in theirs.items()}


def _on_bins_of(name: str, data: DataSet) -> Values:
    """Kedge's formulas on the bins that the other one cuts numbers into."""
    if not data.numeric:
        return {}
    reference, window = np.array(data.reference), np.array(data.window)
    both = np.concatenate([reference, window])
    if name == "nannyml":
        edges = np.histogram_bin_edges(reference, "doane")
        counts = [np.histogram(side, edges)[0] for side in (window, reference)]
        outside = len(window) - int(counts[0].sum())
        one, other = np.append(counts[0], outside), np.append(counts[1], 0)
        values = {"js_distance": js_distance(one, other), "hellinger": hellinger(one, other)}
        return {key: value for key, value in values.items() if value is not None}
    one, other = (
        np.histogram(side, np.histogram_bin_edges(both, "sturges"))[0]
        for side in (window, reference)
    )
    first, second = (
        np.histogram(side, np.histogram_bin_edges(np.unique(both), "sturges"))[0]
        for side in (window, reference)
    )
    return {
        "psi": psi(one, other) or 0.0,
        "js_distance": js_distance(one, other) or 0.0,
        "hellinger": hellinger(first, second) or 0.0,
    }


def _rows(
    against: str,
    sets: Iterable[DataSet],
    mine: Iterable[Mapping[str, Statistic] | Values],
    theirs: Iterable[Values],
) -> Iterable[list[str]]:
    """How far the two are apart, by statistic and by what the data sets are of."""
    gaps: dict[tuple[str, str], list[float]] = {}
    for data, ours, other in zip(sets, mine, theirs, strict=True):
        for name in sorted(set(ours) & set(other)):
            value = ours[name]
            number = value.value if isinstance(value, Statistic) else value
            assert number is not None
            gaps.setdefault((name, data.kind), []).append(abs(number - other[name]))
    for (name, kind), found in sorted(gaps.items()):
        yield [
            f"`{name}` of {kind}",
            against,
            str(len(found)),
            f"{np.median(found):.2g}",
            f"{max(found):.2g}",
        ]


if __name__ == "__main__":
    main()
