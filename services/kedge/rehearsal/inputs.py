"""The inputs that a release was given, row by row, from the predictions that it logged. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedge.contracts import Column, PredictionBatch, State, columns_of

Features = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Input:
    """What was logged of one request: the features that `prepare` gave.

    Attributes:
        features: name to value. A number is a float, whatever it was before it was logged.
        imputed: names of those that the inference code filled in.
    """

    features: Features
    imputed: tuple[str, ...] = ()


def newest_inputs(batch: PredictionBatch, most: int) -> list[Input]:
    """The last rows of a batch as inputs, in the batch's order."""
    columns = [column for column in batch.columns if column.role == "feature"]
    return [
        Input(dict(_features(columns, row)), tuple(_imputed(columns, row)))
        for row in range(max(0, batch.rows - most), batch.rows)
    ]


def feature_columns(inputs: Sequence[Input]) -> tuple[Column, ...]:
    """The columns that inputs came from, in their order."""
    return columns_of(
        [dict(each.features) for each in inputs], "feature", [each.imputed for each in inputs]
    )


def _features(columns: list[Column], row: int) -> Iterator[tuple[str, Any]]:
    for column in columns:
        match column.states[row]:
            case State.ABSENT:
                continue
            case State.NULL:
                yield column.name, None
            case _:
                yield column.name, _value(column, row)


def _value(column: Column, row: int) -> Any:
    value = column.values[row]
    if column.type == "text":
        # A filled in value need not have been logged.
        return column.dictionary[value] if column.dictionary else None
    return value.tolist()


def _imputed(columns: list[Column], row: int) -> Iterator[str]:
    return (column.name for column in columns if column.states[row] == State.IMPUTED)
