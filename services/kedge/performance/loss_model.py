"""What a prediction's loss depends on: boosted trees on the cells in which a row is counted.

Values are counted on bins already, with a cell for each kind of missing, so a tree asks only
whether a cell comes after another one. All questions of one level are the same (oblivious trees:
Prokhorenkova et al., "CatBoost: unbiased boosting with categorical features", 2018, section 4), so
a tree is a list of questions and a table of answers: written as JSON, and read without running
anything.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.predictions import Floats, Ints

_TREES = 60
_DEPTH = 6
_RATE = 0.2
# Rows that a leaf is taken to have more, of no effect: few rows prove little.
_SMOOTHING = 20.0
# Binary digits of the mean loss.
_DIGITS = 26
# Times the mean loss that a row can be expected to have: so float64 adds many exactly.
_MOST = 1024
_PIECE = 2048
# Stands for the cell of a question that is not asked.
_VAIN = -1


@dataclass(frozen=True, slots=True, eq=False)
class LossModel:
    """Expected loss by the cells of a row, in whole numbers of a unit: added in any order, exactly.

    Attributes:
        unit: what is counted, a power of two: about 2**-26 of the mean loss.
        mean: of the loss on the reference.
        columns: int64 `[trees, _DEPTH]`: is the row's cell of that column
        cells: int64 `[trees, _DEPTH]`: a later one than this? -1 where no question is asked.
        answers: int64 `[trees, 2 ** _DEPTH]`, what is added to the mean; the first question has the
            lowest bit of the index.
    """

    unit: float
    mean: int
    columns: Ints
    cells: Ints
    answers: Ints

    @classmethod
    def fit(cls, cells: Ints, sizes: Sequence[int], losses: Floats) -> Self:
        """Least squares by gradient boosting (Friedman, Annals of Statistics 29(5), 2001).

        Args:
            cells: int64 `[columns, rows]`, at least one row.
            sizes: number of cells of each column.
            losses: float64 `[rows]`.
        """
        mean = float(losses.mean())
        left = losses - mean
        trees = []
        for _ in range(_TREES):
            questions, answers, leaf = _grow(cells, sizes, left)
            if not questions:
                break
            left = left - answers[leaf]
            trees.append((questions, answers))
        unit = math.ldexp(1.0, math.frexp(mean)[1] - _DIGITS)
        whole = [(questions, np.rint(answers / unit)) for questions, answers in trees]
        return cls(unit, round(mean / unit), *_tables(whole))

    def __call__(self, cells: NDArray[np.integer[Any]]) -> Ints:
        """The expected loss of each row of `[columns, rows]`, from 0 to 1024 times the mean.

        Args:
            cells: the narrower the type, the quicker.
        """
        trees, rows = len(self.answers), cells.shape[1]
        expected = np.full(rows, self.mean, np.int64)
        if not trees:
            return expected
        # A cell beyond the type is never passed.
        last = self.cells.clip(0, np.iinfo(cells.dtype).max).astype(cells.dtype).reshape(-1, 1)
        bits = (1 << np.arange(_DEPTH, dtype=np.uint8))[:, None]
        first = np.arange(trees)[:, None] << _DEPTH
        answers = self.answers.ravel()
        # In pieces that stay in the cache.
        for start in range(0, rows, _PIECE):
            piece = cells[:, start : start + _PIECE]
            later = (piece[self.columns.ravel()] > last).view(np.uint8).reshape(trees, _DEPTH, -1)
            leaf = (later * bits).sum(axis=1, dtype=np.uint8) + first
            expected[start : start + _PIECE] += answers.take(leaf).sum(axis=0)
        return expected.clip(0, _MOST << _DIGITS)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; a tree has as many questions as it asks."""
        trees = []
        for columns, cells, answers in zip(self.columns, self.cells, self.answers, strict=True):
            asked = int((cells != _VAIN).sum())
            trees.append(
                {
                    "columns": columns[:asked].tolist(),
                    "cells": cells[:asked].tolist(),
                    "answers": answers[: 1 << asked].tolist(),
                }
            )
        return {"unit": self.unit, "mean": self.mean, "trees": trees}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """What `to_json` gave."""
        trees = (
            (list(zip(tree["columns"], tree["cells"], strict=True)), tree["answers"])
            for tree in data["trees"]
        )
        return cls(data["unit"], data["mean"], *_tables(list(trees)))


def _tables(
    trees: Sequence[tuple[Sequence[tuple[int, int]], Sequence[float] | Floats]],
) -> tuple[Ints, Ints, Ints]:
    """Trees as `LossModel` has them: a question that is lacking makes no difference."""
    columns = np.zeros((len(trees), _DEPTH), np.int64)
    cells = np.full((len(trees), _DEPTH), _VAIN, np.int64)
    answers = np.zeros((len(trees), 1 << _DEPTH), np.int64)
    for tree, (questions, given) in enumerate(trees):
        columns[tree, : len(questions)], cells[tree, : len(questions)] = np.transpose(questions)
        answers[tree] = np.tile(given, (1 << _DEPTH) // len(given))
    return columns, cells, answers


def _grow(
    cells: Ints, sizes: Sequence[int], left: Floats
) -> tuple[list[tuple[int, int]], Floats, Ints]:
    """The tree that takes away most of what is left, level by level: questions and answers.

    With the answer of each row, by its index.
    """
    questions: list[tuple[int, int]] = []
    leaf = np.zeros(cells.shape[1], np.int64)
    while len(questions) < _DEPTH:
        question = _best_question(cells, sizes, left, leaf, 1 << len(questions))
        if question is None:
            break
        column, cell = question
        leaf += (cells[column] > cell).astype(np.int64) << len(questions)
        questions.append(question)
    sums, rows = _totals(leaf, left, 1 << len(questions))
    return questions, _RATE * sums / (rows + _SMOOTHING), leaf


def _best_question(
    cells: Ints, sizes: Sequence[int], left: Floats, leaf: Ints, leaves: int
) -> tuple[int, int] | None:
    """The one question for all leaves that explains most; None where each explains nothing."""
    most = float(_explained(*_totals(leaf, left, leaves)))
    best = None
    for column, size in enumerate(sizes):
        if size == 1:
            continue
        totals = _totals(leaf * size + cells[column], left, leaves * size)
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
