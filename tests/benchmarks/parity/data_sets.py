"""Pairs of samples: what a reference and a window may look like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np


class DataSet(NamedTuple):
    """Raw values of one column, numbers or categories.

    Attributes:
        reference: of the reference.
        window: of the window.
    """

    reference: list[float] | list[str]
    window: list[float] | list[str]

    @property
    def numeric(self) -> bool:
        return not isinstance(self.reference[0], str)

    @property
    def kind(self) -> str:
        """What it is of, as far as the tools differ by it."""
        if self.numeric:
            return "numbers"
        if len(set(self.window) - set(self.reference)) > 1:
            return "categories, two new ones or more"
        return "two categories" if len({*self.reference, *self.window}) == 2 else "categories"


_SHAPES = ("normal", "lognormal", "uniform", "pareto", "two humps", "whole numbers")


def data_sets(number: int) -> Iterator[DataSet]:
    """So many of numbers, and as many of categories; seeded."""
    for seed in range(number):
        rng = np.random.default_rng(seed)
        shape = _SHAPES[seed % len(_SHAPES)]
        rows = int(rng.choice([300, 1000, 3000]))
        move, stretch = rng.choice([0.0, 0.1, 0.5, 1.0]), rng.choice([1.0, 1.0, 1.5])
        reference, window = _numbers(shape, rng, 5000), _numbers(shape, rng, rows)
        window = window * stretch + move * reference.std()
        if shape == "whole numbers":
            window = window.round()
        yield DataSet(reference.tolist(), window.tolist())
        yield DataSet(*_categories(rng, rows))


def _numbers(shape: str, rng: np.random.Generator, rows: int) -> np.ndarray:
    match shape:
        case "normal":
            return rng.normal(50, 10, rows)
        case "lognormal":
            return rng.lognormal(1, 1, rows)
        case "uniform":
            return rng.uniform(-1, 1, rows)
        case "pareto":
            return rng.pareto(3, rows)
        case "two humps":
            return np.where(rng.random(rows) < 0.3, rng.normal(0, 1, rows), rng.normal(8, 2, rows))
        case _:
            return rng.poisson(30, rows).astype(float)


def _categories(rng: np.random.Generator, rows: int) -> tuple[list[str], list[str]]:
    names = [f"name {i}" for i in range(int(rng.integers(2, 30)))]
    shares = rng.dirichlet(np.ones(len(names)))
    others = 0.7 * shares + 0.3 * rng.dirichlet(np.ones(len(names)))
    reference = rng.choice(names, 5000, p=shares)
    window = rng.choice(names, rows, p=others if rng.random() < 0.7 else shares)
    # In half of them, a category that the reference does not have.
    window[: rows // 50 if rng.random() < 0.5 else 0] = "new"
    return reference.tolist(), window.tolist()
