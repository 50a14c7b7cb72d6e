"""Faults with a known onset, injected into the rows of a window.

Those on features hit one feature, or two, chosen at random in each run. The size is what is said
beside each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
from scipy.stats import ks_2samp

from benchmarks.decisions.windows import Category, Past, Rows, Values, joined

Family = Literal[
    "none",
    "volume burst",
    "unit change",
    "swapped columns",
    "null feed",
    "stale feature",
    "clipped values",
    "level shift",
    "slow drift",
    "label flip",
    "concept change",
]

# Nothing is wrong in these: an alarm after the onset is a false one.
HARMLESS: tuple[Family, ...] = ("none", "volume burst")
# Nothing that the inference code sees changes: only outcomes tell.
IN_OUTCOMES: tuple[Family, ...] = ("label flip", "concept change")
ON_NUMBERS: tuple[Family, ...] = (
    "unit change",
    "swapped columns",
    "clipped values",
    "level shift",
    "slow drift",
)
# Nobody could tell columns apart that differ by less.
ALIKE = 0.3


@dataclass(frozen=True)
class Fault:
    """One fault in one run.

    Attributes:
        family: which.
        size: volume burst: times the usual rows. Unit change: the factor. Null feed, label flip:
            the share of rows. Stale feature: the share of rows that have the old value. Clipped
            values: the share of the past's rows that lie above the limit. Level shift: the past's
            standard deviations. Slow drift: the same a window, up to one in all. Swapped columns
            and concept change have none: 1.
        columns: the features that it hits, first the one that it is about.
        limit: the past's quantile of that feature, for clipped values.
        spread: the past's standard deviation of it, for shifts.
        last: the past's last value of it, a row, for a stale feature.
    """

    family: Family
    size: float = 1.0
    columns: tuple[str, ...] = ()
    limit: float = math.nan
    spread: float = math.nan
    last: Values | None = None

    def count(self, rows: int) -> int:
        """How many rows a window of usually `rows` has."""
        return int(rows * self.size) if self.family == "volume burst" else rows

    def applied(self, rows: Rows, since: int, rng: np.random.Generator, rule: Any = None) -> Rows:
        """What becomes of the rows of the fault's `since`-th window, counted from 0.

        Args:
            rows: without the fault; for a concept change, drawn from the other concept.
            since: of the window.
            rng: for what is left to chance.
            rule: the model: features to output; None where there is none.
        """
        if self.family in HARMLESS or self.family == "concept change":
            return rows
        if self.family == "label flip":
            return replace(rows, truth=rows.truth ^ (rng.random(len(rows)) < self.size))
        features = rows.features | self._changed(rows.features, since, rng)
        return replace(rows, features=features, output=rule(features) if rule else None)

    def _changed(
        self, features: dict[str, Values], since: int, rng: np.random.Generator
    ) -> dict[str, Values]:
        name = self.columns[0]
        values = features[name]
        if self.family == "swapped columns":
            other = self.columns[1]
            return {name: features[other], other: values}
        if self.family in ("null feed", "stale feature"):
            where = rng.random(_length(values)) < self.size
            return {name: _replaced(values, where, self.last)}
        assert not isinstance(values, Category), f"{self.family} is for numbers"
        if self.family == "unit change":
            return {name: values * self.size}
        if self.family == "clipped values":
            return {name: np.minimum(values, self.limit)}
        moved = self.size if self.family == "level shift" else min(self.size * (since + 1), 1.0)
        return {name: values + moved * self.spread}


def chosen(family: Family, size: float, past: Past, rng: np.random.Generator) -> Fault:
    """The fault on features chosen at random among those that it changes.

    Left out are features of which one value, or null, has more than half of the past's rows;
    for clipped values, those that have hardly anything above the limit; and for swapped columns,
    pairs whose two-sample KS distance is below `ALIKE`.

    Raises:
        ValueError: the fault changes no feature of this stream.
    """
    if family in HARMLESS or family in IN_OUTCOMES:
        return Fault(family, size)
    names = [
        column.spec.name
        for column in past.reference.columns
        if column.spec.role == "feature"
        and max(*column.counts, int(column.missing.sum())) <= past.reference.rows / 2
        and (column.spec.type == "numeric" or family not in ON_NUMBERS)
    ]
    names = rng.permutation(names).tolist()
    if family == "swapped columns":
        for one, other in combinations(names, 2):
            if ks_2samp(_known(past, one), _known(past, other)).statistic >= ALIKE:
                return Fault(family, size, (one, other))
    for name in names if family != "swapped columns" else ():
        values = _known(past, name)
        if isinstance(values, Category):
            return Fault(family, size, (name,), last=values[-1:] if "stale" in family else None)
        limit = float(np.quantile(values, 1 - min(size, 1.0)))
        if family != "clipped values" or (values > limit).mean() >= size / 2:
            last = values[-1:] if family == "stale feature" else None
            return Fault(family, size, (name,), limit, float(values.std()), last)
    raise ValueError(f"{family} changes no feature of this stream")


def _known(past: Past, name: str) -> Values:
    """All values of a feature in the past, but nulls."""
    values = joined([Rows({name: window.rows.features[name]}) for window in past.windows])
    known = values.features[name]
    return known[known.codes >= 0] if isinstance(known, Category) else known[~np.isnan(known)]


def _length(values: Values) -> int:
    return len(values.codes if isinstance(values, Category) else values)


def _replaced(values: Values, where: np.ndarray, by: Values | None) -> Values:
    """The value of `by`, or null for None, where `where` holds."""
    if isinstance(values, Category):
        code = by.codes[0] if isinstance(by, Category) else -1
        return Category(np.where(where, code, values.codes), values.labels)
    return np.where(where, np.nan if by is None else by[0], values)
