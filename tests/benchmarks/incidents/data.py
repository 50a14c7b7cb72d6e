"""Rows of real and generated data, and models that were trained on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.pools import POOLS
from benchmarks.decisions.windows import Category, Rows, Values
from kedge.demo.flights import Flights

_WINTER, _SUMMER = (1, 2), (7, 8)
_ROWS = 20_000
_LIMIT = 4.0
_STEEP = 3.0


@cache
def pool(name: str, season: str = "before") -> Rows:
    """All rows that windows are drawn from; of one season, where the pool has any."""
    if name == "made":
        return _made()
    if name == "flights by season":
        return _flights(_WINTER if season == "before" else _SUMMER)
    return POOLS[name].contents("before")


def _made() -> Rows:
    """Eight numbers, two categories and a truth that depends on five of them."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=_ROWS)
    numbers = {f"x{i}": rng.normal(size=_ROWS) + (0.6 * shared if i < 4 else 0) for i in range(8)}
    categories = {
        name: Category(rng.choice(len(labels), _ROWS, p=shares), labels)
        for name, labels, shares in (
            ("plan", ("free", "basic", "team"), (0.5, 0.3, 0.2)),
            ("region", ("north", "south", "east", "west"), (0.4, 0.3, 0.2, 0.1)),
        )
    }
    score = numbers["x0"] + numbers["x4"] - numbers["x5"] + (categories["plan"].codes == 2)
    return Rows(numbers | categories, truth=score + rng.normal(size=_ROWS) > 0.2)


def _flights(months: tuple[int, ...]) -> Rows:
    source = Flights()
    chosen = []
    for month in months:
        since, until = (
            int(datetime(2013, m, 1, tzinfo=UTC).timestamp()) * 1_000_000
            for m in (month, month + 1)
        )
        chosen += [f for f in source.between(since, until) if f.late is not None]
    source.close()
    features: dict[str, Values] = {}
    for name in chosen[0].instance:
        cells = [flight.instance[name] for flight in chosen]
        if isinstance(cells[0], str):
            labels, codes = np.unique([str(cell) for cell in cells], return_inverse=True)
            features[name] = Category(codes.astype(np.int64), tuple(labels.tolist()))
        else:
            features[name] = np.array([np.nan if c is None else c for c in cells], float)
    return Rows(features, truth=np.array([bool(flight.late) for flight in chosen]))


def rows_at(rows: Rows, chosen: NDArray[np.int64]) -> Rows:
    features = {name: values[chosen] for name, values in rows.features.items()}
    return Rows(features, truth=rows.truth[chosen])


@dataclass(frozen=True)
class Model:
    """A linear score squeezed to a probability.

    Attributes:
        scales: mean and standard deviation by number.
        levels: labels by category.
        weights: first the bias, then numbers, then levels.
        sharpness: what the score is multiplied with.
    """

    scales: dict[str, tuple[float, float]]
    levels: dict[str, tuple[str, ...]]
    weights: NDArray[np.float64]
    sharpness: float = _STEEP

    def predict(self, features: dict[str, Values]) -> NDArray[np.float64]:
        score = self._design(features) @ self.weights
        return 1 / (1 + np.exp(-self.sharpness * score))

    def _design(self, features: dict[str, Values]) -> NDArray[np.float64]:
        parts = []
        for name, (mean, spread) in self.scales.items():
            scaled = (np.nan_to_num(features[name], nan=mean) - mean) / spread
            parts.append(np.clip(scaled, -_LIMIT, _LIMIT)[:, None])
        for name, labels in self.levels.items():
            values = features[name]
            known = np.array([values.labels.index(x) if x in values.labels else -2 for x in labels])
            parts.append((values.codes[:, None] == known) * 1.0)
        return np.hstack([np.ones((len(parts[0]), 1)), *parts])


def trained(rows: Rows) -> Model:
    """By ridge regression on the signs of the truth."""
    scales, levels = {}, {}
    for name, values in rows.features.items():
        if isinstance(values, Category):
            levels[name] = values.labels
        else:
            scales[name] = (float(np.nanmean(values)), float(np.nanstd(values)) or 1.0)
    model = Model(scales, levels, np.empty(0))
    design = model._design(rows.features)
    signs = 2.0 * rows.truth - 1
    gram = design.T @ design + np.eye(design.shape[1])
    return replace(model, weights=np.linalg.solve(gram, design.T @ signs))
