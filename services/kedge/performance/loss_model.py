"""What a prediction's loss depends on: boosted trees on the cells in which a row is counted.

Values are counted on bins already, with a cell for each kind of missing, so a tree asks only
whether a cell comes after another one. All questions of one level are the same (oblivious trees:
Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", 2018, section 4), so
a tree is a list of questions and a table of answers: written as JSON, and read without running
anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from kedge.contracts.predictions import Floats, Ints

_TREES = 60
_DEPTH = 6
_RATE = 0.2
# Rows that a leaf is taken to have more, of no effect: few rows prove little.
_SMOOTHING = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A list of questions and a table of answers.

    Attributes:
        questions: column and cell: is the row's cell of that column a later one?
        answers: float64 `[2 ** questions]`, the first question in the lowest bit.
    """

    questions: tuple[tuple[int, int], ...]
    answers: Floats

    def __call__(self, cells: Ints) -> Floats:
        leaf = np.zeros(len(cells), np.int64)
        for level, (column, cell) in enumerate(self.questions):
            leaf += (cells[:, column] > cell).astype(np.int64) << level
        answers: Floats = self.answers[leaf]
        return answers


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Expected loss by the cells of a row.

    Attributes:
        mean: of the loss on the reference.
        trees: what they add to it.
    """

    mean: float
    trees: tuple[Tree, ...]

    @classmethod
    def fit(cls, cells: Ints, sizes: Sequence[int], losses: Floats) -> Self:
        """Least squares by gradient boosting (Friedman, Annals of Statistics 29(5), 2001).

        Args:
            cells: int64 `[rows, columns]`, at least one row.
            sizes: number of cells of each column.
            losses: float64 `[rows]`.
        """
        cells = np.asfortranarray(cells)
        mean = float(losses.mean())
        left = losses - mean
        trees = []
        for _ in range(_TREES):
            tree = _grow(cells, sizes, left)
            if not tree.questions:
                break
            left = left - tree(cells)
            trees.append(tree)
        return cls(mean, tuple(trees))

    def __call__(self, cells: Ints) -> Floats:
        """The expected loss of each row of int64 `[rows, columns]`; float64, never below 0."""
        expected = np.full(len(cells), self.mean)
        for tree in self.trees:
            expected += tree(cells)
        return expected.clip(min=0)

    def to_json(self) -> dict[str, Any]:
        trees = [[list(tree.questions), tree.answers.tolist()] for tree in self.trees]
        return {"mean": self.mean, "trees": trees}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        trees = (
            Tree(tuple((column, cell) for column, cell in questions), np.array(answers))
            for questions, answers in data["trees"]
        )
        return cls(data["mean"], tuple(trees))


def _grow(cells: Ints, sizes: Sequence[int], left: Floats) -> Tree:
    """The tree that takes away most of what is left, level by level."""
    questions: list[tuple[int, int]] = []
    leaf = np.zeros(len(cells), np.int64)
    while len(questions) < _DEPTH:
        question = _best_question(cells, sizes, left, leaf, 1 << len(questions))
        if question is None:
            break
        column, cell = question
        leaf += (cells[:, column] > cell).astype(np.int64) << len(questions)
        questions.append(question)
    sums, rows = _totals(leaf, left, 1 << len(questions))
    return Tree(tuple(questions), _RATE * sums / (rows + _SMOOTHING))


def _best_question(
    cells: Ints, sizes: Sequence[int], left: Floats, leaf: Ints, leaves: int
) -> tuple[int, int] | None:
    """The one question for all leaves that explains most; None where each explains nothing."""
    most = float(_explained(*_totals(leaf, left, leaves)))
    best = None
    for column, size in enumerate(sizes):
        if size == 1:
            continue
        totals = _totals(leaf * size + cells[:, column], left, leaves * size)
        sums, rows = (total.reshape(leaves, size) for total in totals)
        # After the last cell comes none.
        low, rows_low = np.cumsum(sums, axis=1)[:, :-1], np.cumsum(rows, axis=1)[:, :-1]
        high = sums.sum(axis=1, keepdims=True) - low
        rows_high = rows.sum(axis=1, keepdims=True) - rows_low
        gains = _explained(low, rows_low) + _explained(high, rows_high)
        cell = int(np.argmax(gains))
        if gains[cell] > most:
            most, best = float(gains[cell]), (column, cell)
    return best


def _totals(places: Ints, left: Floats, count: int) -> tuple[Floats, Floats]:
    """What is left, and the number of rows, in each of `count` places."""
    sums: Floats = np.bincount(places, left, count).astype(np.float64, copy=False)
    return sums, np.bincount(places, minlength=count).astype(np.float64)


def _explained(sums: Floats, rows: Floats) -> Floats:
    """How much of the squares goes when each leaf has its mean; summed over the first axis."""
    explained: Floats = np.sum(sums**2 / (rows + _SMOOTHING), axis=0)
    return explained
