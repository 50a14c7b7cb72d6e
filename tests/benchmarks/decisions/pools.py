"""Streams whose windows are drawn from a pool of real or generated rows.

Rows are drawn with replacement, for the past and for the windows alike, so the stream is clean by
construction and keeps what the rows have: odd distributions, ties, missing values and dependence
between features. The model is a rule that knows the concept; so its errors before a fault are the
noise in the data's own labels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow.csv import read_csv
from river import datasets
from river.datasets import synth

from benchmarks.decisions.faults import ON_NUMBERS, Family
from benchmarks.decisions.windows import Category, Past, Rows, Values, past_of
from kedge.demo.flights import Flights

Rule = Callable[[dict[str, Values]], np.ndarray]
POOL_ROWS = 20_000
# The folder `nannyml/datasets/data` of an installed NannyML, which needs an older pandas than ours.
NANNYML = "NANNYML_DATA"


@dataclass(frozen=True)
class Pool:
    """The stream.

    Attributes:
        name: of the stream in tables.
        contents: gives the rows of the pool and their truth, from the name of a concept.
        rule: the model.
        rows: rows a window.
        past_windows: how many windows the past has.
        changed: name of another concept over the same features; None where there is none.
        lacks: faults that would change none of its features.
    """

    name: str
    contents: Callable[[str], Rows]
    rule: Rule | None = None
    rows: int = 200
    past_windows: int = 336
    changed: str | None = None
    lacks: tuple[Family, ...] = ()

    @property
    def independent(self) -> bool:
        """Never: real features depend on each other."""
        return False

    def past(self, rng: np.random.Generator) -> Past:
        return past_of([self.drawn(0, self.rows, rng) for _ in range(self.past_windows)])

    def drawn(
        self,
        index: int,
        rows: int,
        rng: np.random.Generator,
        only: Sequence[str] = (),
        concept: str = "before",
    ) -> Rows:
        """Rows of any window: `index` and `only` make no difference."""
        del index, only
        pool = self.contents(concept)
        chosen = rng.integers(0, len(pool), rows)
        features = {name: values[chosen] for name, values in pool.features.items()}
        if self.rule is None:
            return Rows(features)
        return Rows(features, self.rule(features), pool.truth[chosen])


def _table(samples: Iterable[tuple[dict[Any, Any], Any]]) -> Rows:
    """Numbers stay numbers; what is text or a truth value becomes a category."""
    xs, ys = zip(*samples, strict=True)
    features: dict[str, Values] = {}
    for name in xs[0]:
        cells = [x[name] for x in xs]
        if isinstance(cells[0], str | bool):
            labels, codes = np.unique([str(cell) for cell in cells], return_inverse=True)
            features[str(name)] = Category(codes.astype(np.int64), tuple(labels.tolist()))
        else:
            features[str(name)] = np.array(cells, float)
    return Rows(features, truth=np.array([bool(y) for y in ys]))


@cache
def _sea(concept: str) -> Rows:
    # 10 % of the labels are noise, as in the paper (Street and Kim, 2001).
    return _table(
        synth.SEA(variant=3 if concept == "changed" else 0, seed=1, noise=0.1).take(POOL_ROWS)
    )


@cache
def _agrawal(concept: str) -> Rows:
    made = synth.Agrawal(classification_function=2 if concept == "changed" else 0, seed=1)
    codes = ("elevel", "car", "zipcode")
    return _table(
        ({k: str(v) if k in codes else v for k, v in x.items()}, y) for x, y in made.take(POOL_ROWS)
    )


@cache
def _stagger(concept: str) -> Rows:
    made = synth.STAGGER(classification_function=1 if concept == "changed" else 0, seed=1)
    return _table(({k: str(v) for k, v in x.items()}, y) for x, y in made.take(POOL_ROWS))


@cache
def _shuttle(_concept: str) -> Rows:
    return _table(islice(datasets.Shuttle(), POOL_ROWS))


@cache
def _phishing(_concept: str) -> Rows:
    return _table(datasets.Phishing())


@cache
def _segments(_concept: str) -> Rows:
    return _table((x, True) for x, _ in datasets.ImageSegments())


@cache
def _flights(_concept: str) -> Rows:
    source = Flights()
    flights = [flight for flight in source.between(0, 2**62) if flight.late is not None]
    source.close()
    spread = flights[:: max(1, len(flights) // POOL_ROWS)]
    return _table(
        (
            {k: np.nan if v is None else v for k, v in flight.instance.items()},
            flight.late,
        )
        for flight in spread
    )


@cache
def _car_loans(_concept: str) -> Rows:
    # Its model is not published, so outputs and outcomes are left out.
    columns = read_csv(Path(os.environ[NANNYML]) / "synthetic_car_loan_reference.csv")
    left_out = ("id", "timestamp", "repaid", "y_pred_proba", "y_pred")
    return _table((row, True) for row in columns.drop(left_out).slice(0, POOL_ROWS).to_pylist())


def _sea_rule(features):
    return features["0"] + features["1"] > 8


def _agrawal_rule(features):
    # The first function of Agrawal and others (1993): the young and the old.
    return (features["age"] < 40) | (features["age"] >= 60)


def _stagger_rule(features):
    # STAGGER's first concept: small and red.
    return (features["size"].codes == 0) & (features["color"].codes == 0)


def _flights_rule(features):
    return np.nan_to_num(features["dep_delay"]) > 12


POOLS: dict[str, Pool] = {
    pool.name: pool
    for pool in (
        # Its three features are alike.
        Pool("sea", _sea, _sea_rule, changed="changed", lacks=("swapped columns",)),
        Pool("agrawal", _agrawal, _agrawal_rule, changed="changed"),
        Pool("stagger", _stagger, _stagger_rule, changed="changed", lacks=ON_NUMBERS),
        Pool("shuttle", _shuttle),
        Pool("phishing", _phishing),
        Pool("segments", _segments),
        Pool("flights", _flights, _flights_rule),
        *([Pool("car loans", _car_loans)] if NANNYML in os.environ else ()),
    )
}
