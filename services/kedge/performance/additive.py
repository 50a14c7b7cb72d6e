"""What scores of every task have in common: they are added, taken out, and written as JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from kedge.performance.exact import exact_from_text, exact_text
from kedge.performance.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Additive:
    """Counts and exact sums of some joined predictions of one task.

    `a + b` are the scores of both. `a - b` takes out what was added: when an outcome is corrected,
    the scores of the old one go and those of the new one come. A difference alone, of a row that
    was never added, may count less than nothing.

    Each field of a subclass is an integer count, an int64 array of counts, or an exact sum (a name
    that starts with `sum_`: an integer, or an object array of integers; see `exact`).

    Attributes:
        task: what the predictions are of.
        rows: predictions that are joined with their truth and usable.
        unusable: joined ones without a usable output or truth, which no metric counts.
    """

    task: Task
    rows: int
    unusable: int

    def __add__(self, other: Self) -> Self:
        return self._combined(operator.add, other)

    def __sub__(self, other: Self) -> Self:
        return self._combined(operator.sub, other)

    def __eq__(self, other: object) -> bool:
        return (
            type(other) is type(self)
            and self.task == other.task
            and all(
                np.array_equal(getattr(self, name), getattr(other, name)) for name in _own(self)
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def _combined(self, combine: Callable[[Any, Any], Any], other: Self) -> Self:
        if type(other) is not type(self) or other.task != self.task:
            raise ValueError(
                f"scores of {other.task} can't be put together with those of {self.task}"
            )
        return type(self)(
            self.task,
            *(combine(getattr(self, name), getattr(other, name)) for name in _own(self)),
        )

    def to_json(self) -> dict[str, Any]:
        """All but the task."""
        return {name: _written(name, getattr(self, name)) for name in _own(self)}

    @classmethod
    def restored(cls, empty: Self, data: dict[str, Any]) -> Self:
        """What `to_json` wrote; `empty` has the task and the shapes."""
        return cls(
            empty.task, *(_read(name, data[name], getattr(empty, name)) for name in _own(empty))
        )


def _own(scores: Additive) -> list[str]:
    return [field.name for field in fields(scores) if field.name != "task"]


def _written(name: str, value: Any) -> Any:
    exact = name.startswith("sum_")
    if isinstance(value, np.ndarray):
        if exact:
            return [exact_text(total) for total in value.tolist()]
        # Most classes are never confused and most bins are empty: [index, count] of the others.
        flat = value.ravel()
        there = np.flatnonzero(flat)
        return np.stack([there, flat[there]], axis=1).tolist()
    return exact_text(value) if exact else value


def _read(name: str, written: Any, like: Any) -> Any:
    exact = name.startswith("sum_")
    if isinstance(like, np.ndarray):
        if exact:
            return np.array([exact_from_text(text) for text in written], object)
        counts = np.zeros_like(like)
        for index, count in written:
            counts.ravel()[index] = count
        return counts
    return exact_from_text(written) if exact else written
