"""Windows of a made-up model, and a reference of it."""

from __future__ import annotations

import numpy as np

from kedge.profile import Bins, ColumnSpec, Profile, Reference, ReferenceColumn

MINUTE = 60_000_000
BINS = 6
EVEN = np.full(BINS, 1 / BINS)
SLOPE = np.linspace(-1, 1, BINS)
NAMES = ("a", "b", "c", "city")


def reference(rows=5000, seed=0, missing=0.02):
    """Three numbers and a category, whose last bin is that of unseen ones."""
    return _reference(rows, counts_of(np.random.default_rng(seed), rows, missing=missing))


def _reference(rows, profile):
    columns = []
    for name, counts, missing in zip(NAMES, profile.counts, profile.missing, strict=True):
        if name == "city":
            spec = ColumnSpec(name, "feature", "categorical")
            bins = Bins(np.empty(0), tuple("uvwxyz"))
        else:
            spec = ColumnSpec(name, "feature", "numeric")
            bins = Bins(np.arange(BINS - 1.0))
        columns.append(ReferenceColumn(spec, bins, counts, missing))
    return Reference(rows, tuple(columns))


def counts_of(rng, rows, *, shares=None, missing=0.02, unseen=0.0, scale=1.0):
    """A window; `shares` are those of column `a`, `unseen` and `missing` of `city` and `b`."""
    counts, kinds = [], np.zeros((len(NAMES), 8), np.int64)
    for index, name in enumerate(NAMES):
        kinds[index, 1] = rng.binomial(rows, missing if name == "b" else 0.02)
        kinds[index, 7] = rng.binomial(rows - kinds[index, 1], unseen) if name == "city" else 0
        weights = shares if shares is not None and name == "a" else EVEN**scale
        counts.append(rng.multinomial(rows - kinds[index].sum(), weights / weights.sum()))
    return Profile(rows, 0, tuple(counts), kinds, (np.empty(0, np.int64),) * len(NAMES))


def evidence_of(statistics):
    """The model's value and those of the columns."""
    found = {s.column: s.value for s in statistics if s.name == "evidence"}
    return found.pop(None), found
