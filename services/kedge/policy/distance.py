"""How far what is asked today is from what releases were made for: inputs against references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kedge.contracts import Column
from kedge.contracts.predictions import Ints
from kedge.profile import Reference
from kedge.profile.counting import by_name, count
from kedge.statistics import window_statistics
from kedge.statistics.drift import SIGNIFICANT

FEWEST_ROWS = 200
"""Values of an input; of fewer, chance alone comes near to what is significant."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Of some logged inputs from one reference.

    Attributes:
        mean: of the inputs' PSI.
        largest: the largest PSI.
        of: the input that has it.
        moved: how many inputs have a significant PSI.
        inputs: how many were compared.
    """

    mean: float
    largest: float
    of: str
    moved: int
    inputs: int

    def __str__(self) -> str:
        return (
            f"{self.moved} of {self.inputs} inputs above a PSI of {SIGNIFICANT}, "
            f"{self.mean:.4g} on average and {self.largest:.4g} at most, of {self.of}"
        )


def distances(
    columns: Sequence[Column], rows: int, references: Mapping[str, Reference]
) -> dict[str, Distance]:
    """By the PSI of each input on the bins of each reference.

    All references are compared by the same inputs: those that each of them can be asked about, of
    which `FEWEST_ROWS` have a value that was not filled in. Vectors have no bins to be compared on.

    Args:
        columns: features that were logged, each of the same number of rows.
        rows: that number.
        references: by any name.

    Returns:
        By the same names; nothing where there is no such input.
    """
    index = np.zeros(rows, np.int64)
    measured = {
        name: _psi_of_inputs(columns, index, reference) for name, reference in references.items()
    }
    shared = sorted(set[str].intersection(*map(set, measured.values()))) if measured else []
    return {
        name: _distance({column: psi[column] for column in shared})
        for name, psi in measured.items()
        if shared
    }


def _psi_of_inputs(
    columns: Sequence[Column], index: Ints, reference: Reference
) -> dict[str, float]:
    (profile,) = count(by_name(columns), {}, index, 1, reference)
    return {
        each.column: each.value
        for each in window_statistics(profile, reference)
        if each.name == "psi"
        and each.role == "feature"
        and each.column is not None
        and each.value is not None
        and each.rows >= FEWEST_ROWS
    }


def _distance(psi: Mapping[str, float]) -> Distance:
    of, largest = max(psi.items(), key=lambda each: each[1])
    moved = sum(value > SIGNIFICANT for value in psi.values())
    return Distance(sum(psi.values()) / len(psi), largest, of, moved, len(psi))
