"""How far the values of one column are from the reference's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kedge.contracts.predictions import Ints
from kedge.profile import UNIT, Missing, ReferenceColumn, Scale
from kedge.profile.scale import fixed
from kedge.statistics.distances import chi_squared, hellinger, js_distance, l_infinity, psi
from kedge.statistics.ordered import Bounds, kolmogorov_smirnov, wasserstein
from kedge.statistics.statistic import Statistic

MODERATE = 0.1
"""The PSI that is conventionally a moderate change."""

SIGNIFICANT = 0.25
"""The PSI above which a change is significant (Siddiqi, "Credit Risk Scorecards", 2006)."""

DISTANCES = {
    "psi": psi,
    "js_distance": js_distance,
    "hellinger": hellinger,
    "l_infinity": l_infinity,
    "chi_squared": chi_squared,
}


def drift_statistics(
    column: ReferenceColumn, counts: Ints, missing: Ints, sums: Ints
) -> Iterator[Statistic]:
    """Every distance that is defined for the column's type.

    - `psi`, `js_distance`, `hellinger`, `l_infinity`, `chi_squared`, over the column's bins. A
      categorical column has one bin more, for unseen categories. Rows missing in another way are
      left out: their share is the missing rate's subject.
    - `ks` of columns whose values have an order. Unseen categories have no place in it.
    - `wasserstein` and `mean_shift` of numeric columns.

    Args:
        column: of the reference.
        counts: rows of the window in each bin.
        missing: rows of the window without a usable value, by kind.
        sums: of the window's values in each bin, as in its profile.
    """
    spec = column.spec
    window, reference = counts, column.counts
    if spec.type == "categorical":
        window = np.append(window, missing[Missing.UNSEEN])
        reference = np.append(reference, column.missing[Missing.UNSEEN])
    rows = int(window.sum())
    for name, distance in DISTANCES.items():
        value = distance(window, reference)
        note = _nothing(window) if value is None else _few_rows(window, reference)
        yield Statistic(name, value, rows, spec.role, spec.name, note=note)
    if spec.type == "numeric":
        yield _bounded("ks", column, counts, kolmogorov_smirnov(counts, column.counts))
        yield from _in_deviations(column, counts, sums)
    elif spec.order:
        bounds = kolmogorov_smirnov(counts, column.counts)
        exact = None if bounds is None else Bounds(bounds.low, bounds.low)
        yield _bounded("ks", column, counts, exact)


def _in_deviations(column: ReferenceColumn, counts: Ints, sums: Ints) -> Iterator[Statistic]:
    spec, rows = column.spec, int(counts.sum())
    if not isinstance(column.scale, Scale) or not (rows and column.counts.any()):
        why = _nothing(counts)
        if rows and column.counts.any():
            why = "the reference has no standard deviation to measure in"
        for name in ("wasserstein", "mean_shift"):
            yield Statistic(name, None, rows, spec.role, spec.name, note=why)
        return
    edges = fixed(column.bins.edges, column.scale.center, column.scale.spread)
    area = wasserstein(counts, sums, column.counts, column.sums, edges)
    yield _bounded("wasserstein", column, counts, area)
    shift = int(sums.sum()) / rows - int(column.sums.sum()) / int(column.counts.sum())
    note = _few_rows(counts, column.counts)
    yield Statistic("mean_shift", shift * UNIT, rows, spec.role, spec.name, note=note)


def _bounded(name: str, column: ReferenceColumn, counts: Ints, bounds: Bounds | None) -> Statistic:
    spec, rows = column.spec, int(counts.sum())
    if bounds is None:
        return Statistic(name, None, rows, spec.role, spec.name, note=_nothing(counts))
    low, high = bounds if bounds.low < bounds.high else (None, None)
    note = _few_rows(counts, column.counts)
    return Statistic(name, bounds.low, rows, spec.role, spec.name, low=low, high=high, note=note)


def _nothing(window: Ints) -> str:
    return f"no usable value in the {'reference' if window.any() else 'window'}"


def _few_rows(window: Ints, reference: Ints) -> str | None:
    """What is to be expected of so few rows, where they can't tell a moderate change from none.

    With nothing changed, PSI is about (1/n + 1/m) times a chi-squared of bins - 1 degrees of
    freedom (Yurdakul, "Statistical Properties of Population Stability Index", 2018).
    """
    n, m = int(window.sum()), int(reference.sum())
    expected = (len(window) - 1) * (1 / n + 1 / m)
    if expected <= MODERATE:
        return None
    return f"few rows: with nothing changed, PSI would be about {expected:.2g}"
