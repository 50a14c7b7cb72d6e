"""What goes wrong: in the rows before the inference code, in it, or in a model's making."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.decisions.windows import Category, Rows, Values
from benchmarks.incidents.data import Model, pool, rows_at, trained
from benchmarks.incidents.plan import Story
from kedge.contracts.predictions import State

_TILT = 0.2
_FLIPPED = 0.4
_SEASON = 10
_SLICE = 2.0
_TRAINING = 5000
_MOVED = 1.5


@dataclass(frozen=True)
class Logged:
    """What a release logs of a window.

    Attributes:
        features: by name.
        states: uint8 `[rows]` by name, where not every row has its value.
        texts: numbers that came as text.
        output: float64 `[rows]`.
        failed: rows in which the inference raised.
        truth: bool `[rows]`.
    """

    features: dict[str, Values]
    output: NDArray[np.float64]
    truth: NDArray[np.bool_]
    states: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    failed: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))


@dataclass(frozen=True)
class Fault:
    """The fault of one story, with what was drawn for it.

    Attributes:
        story: which one.
        columns: features that it hits.
        share: of the rows.
        spread: standard deviation of each number in the pool.
        leaning: of every row of the pool, how soon a tilt brings it.
    """

    story: Story
    columns: tuple[str, ...]
    share: float
    spread: dict[str, float]
    leaning: NDArray[np.float64]

    def drawn(self, window: int, rows: int, rng: np.random.Generator) -> Rows:
        """The requests of a window, as the world and upstream send them."""
        since = window - self.story.onset
        whole = pool(self.story.pool)
        name = self.story.fault if since >= 0 else "none"
        if name == "slow tilt":
            weights = np.exp(_TILT * (since + 1) * self.leaning)
            chosen = rng.choice(len(whole), rows, p=weights / weights.sum())
            return rows_at(whole, chosen)
        found = rows_at(whole, rng.integers(0, len(whole), rows))
        if name == "season":
            later = pool(self.story.pool, "after")
            turned = rng.random(rows) < min((since + 1) / _SEASON, 1.0)
            other = rows_at(later, rng.integers(0, len(later), rows))
            return _mixed(found, other, turned)
        if name == "concept":
            return replace(found, truth=found.truth ^ (rng.random(rows) < _FLIPPED))
        if self.story.kind != "upstream" or name == "none":
            return found
        changed = {c: self._upstream(name, c, found.features[c], rng) for c in self.columns}
        broken = replace(found, features=found.features | changed)
        # It begins somewhere in its first window.
        return broken if since else _mixed(found, broken, rng.random(rows) < rng.uniform(0.2, 1))

    def _upstream(self, name: str, column: str, values: Values, rng: np.random.Generator) -> Values:
        where = rng.random(len(values.codes if isinstance(values, Category) else values))
        if isinstance(values, Category):
            if name == "renamed categories":
                return Category(values.codes, tuple(f"{x}/v2" for x in values.labels))
            codes = values.codes[0] if name == "stuck value" else -1
            return Category(np.where(where < self.share, codes, values.codes), values.labels)
        if name == "unit":
            return values * 1.8 + _MOVED * self.spread[column]
        stuck = np.nanmax(values) if name == "stuck value" else np.nan
        return np.where(where < self.share, stuck, values)

    def logged(self, number: int, model: Model, requests: Rows, rng: np.random.Generator) -> Logged:
        """What a release makes of the requests and logs."""
        rows, features = len(requests), dict(requests.features)
        sick = number == self.story.sick_release
        name = self.story.fault if sick else "none"
        states, texts, failed = {}, frozenset(), np.empty(0, np.int64)
        if sick and self.story.kind == "code":
            where = rng.random(rows) < self.share
            (column, *_) = self.columns
            match name:
                case "input lost":
                    states[column] = np.where(where, State.ABSENT, State.VALUE)
                case "input filled in":
                    states[column] = np.where(where, State.IMPUTED, State.VALUE)
                case "wrong type":
                    texts = frozenset({column})
                case "unit in code":
                    features[column] = features[column] * 1.8 + _MOVED * self.spread[column]
                case "raises":
                    failed = np.flatnonzero(where & (rng.random(rows) < 0.5))
        lost = features | {
            column: np.where(state == State.VALUE, features[column], np.nan)
            for column, state in states.items()
        }
        if name == "overconfident":
            model = replace(model, sharpness=5 * model.sharpness)
        output = model.predict({k: _blank(v) if k in texts else v for k, v in lost.items()})
        if name == "output scaled":
            output = output / 2
        return Logged(features, output, requests.truth, states, texts, failed)


def fault_of(story: Story, rng: np.random.Generator) -> Fault:
    whole = pool(story.pool)
    numbers = [n for n, v in whole.features.items() if not isinstance(v, Category)]
    # Of a number that hardly varies nobody would see a change.
    varied = [n for n in numbers if _share_of_most(whole.features[n]) < 0.6]
    categories = [n for n in whole.features if n not in numbers]
    if story.fault == "renamed categories":
        columns = [str(rng.choice(categories))]
    else:
        columns = rng.permutation(varied).tolist()
        most = max(1, min(3, len(whole.features) // 4))
        several = story.fault.startswith("null feed")
        columns = columns[: int(rng.integers(1, most + 1)) if several else 1]
    partly = ("null feed in part", "input lost", "input filled in", "raises")
    share = float(rng.uniform(0.4, 1.0)) if story.fault in partly else 1.0
    spread = {n: float(np.nanstd(whole.features[n])) for n in numbers}
    return Fault(story, tuple(columns), share, spread, leaning(whole, varied, rng))


def leaning(rows: Rows, names: list[str], rng: np.random.Generator) -> NDArray[np.float64]:
    """A standardised sum over at least half of these numbers."""
    count = max(2, int(rng.integers(len(names) // 2, len(names)))) if len(names) > 1 else 1
    total = np.zeros(len(rows))
    for name in rng.permutation(names)[:count]:
        values = rows.features[name]
        scaled = (values - np.nanmean(values)) / (np.nanstd(values) or 1.0)
        total += np.nan_to_num(np.clip(scaled, -3, 3)) * rng.choice((-1, 1))
    return (total - total.mean()) / (total.std() or 1.0)


def training(story: Story, version: int, rng: np.random.Generator) -> tuple[Model, Rows]:
    """A model version, and the rows that it was trained on, whose profile is its reference."""
    sick = story.sick_release
    bad = sick is not None and version == story.releases[sick - 1].model
    whole = pool(story.pool)
    chosen = rng.integers(0, len(whole), _TRAINING)
    if bad and story.fault == "trained on another slice":
        numbers = [n for n, v in whole.features.items() if not isinstance(v, Category)]
        varied = [n for n in numbers if _share_of_most(whole.features[n]) < 0.6]
        weights = np.exp(_SLICE * leaning(whole, varied, rng))
        chosen = rng.choice(len(whole), _TRAINING, p=weights / weights.sum())
    rows = rows_at(whole, chosen)
    learned = rows
    if bad and story.fault == "trained on noise":
        learned = replace(rows, truth=~rows.truth)
    return trained(learned), rows


def _share_of_most(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(np.unique(known, return_counts=True)[1].max() / len(values))


def _mixed(one: Rows, other: Rows, where: NDArray[np.bool_]) -> Rows:
    features: dict[str, Values] = {}
    for name, values in one.features.items():
        theirs = other.features[name]
        if isinstance(values, Category):
            labels = tuple(dict.fromkeys((*values.labels, *theirs.labels)))
            at = np.array([labels.index(label) for label in theirs.labels])
            features[name] = Category(np.where(where, at[theirs.codes], values.codes), labels)
        else:
            features[name] = np.where(where, theirs, values)
    return Rows(features, truth=np.where(where, other.truth, one.truth))


def _blank(values: Values) -> Values:
    return values if isinstance(values, Category) else np.full(len(values), np.nan)
