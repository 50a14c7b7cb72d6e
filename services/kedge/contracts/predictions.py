"""Predictions by column: what both forms on the wire decode to, and what profiles are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kedge.contracts.values import ABSENT, plain_cells

Role = Literal["feature", "output"]
ValueType = Literal["number", "boolean", "text"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


class State(IntEnum):
    """What a row has in a column."""

    VALUE = 0
    ABSENT = 1
    NULL = 2
    IMPUTED = 3


@dataclass(frozen=True, slots=True)
class Tags:
    """Who predicted."""

    model: str
    model_version: str
    code_version: str
    release: int
    environment: str


@dataclass(frozen=True, slots=True)
class Producer:
    """Which logger sent it, and how much of its own it had sent and dropped before."""

    id: str
    sequence: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one type of one feature or output.

    Attributes:
        name: of the feature or output. It may come twice in a batch, with another `type`: a row
            then has its value in one of them and is ABSENT in the other.
        role: feature or output.
        type: number, boolean or text.
        states: uint8 `[rows]`, a `State` each.
        values: number: float64 `[rows]`, or `[rows, width]` for vectors; boolean: bool `[rows]`;
            text: int32 `[rows]`, an index into `dictionary`. What stands where the state has no
            value is ignored.
        dictionary: for text, each distinct string once.
    """

    name: str
    role: Role
    type: ValueType
    states: Bytes
    values: NDArray[Any]
    dictionary: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """Predictions of one release.

    Attributes:
        tags: who predicted.
        ids: one name a row.
        event_times: int64 `[rows]`, microseconds since 1970 UTC.
        latencies_ms: float32 `[rows]`, NaN where not known.
        columns: features and outputs.
        errors: type of the exception by row, for inferences that raised.
        producer: where the producer numbers its events.
    """

    tags: Tags
    ids: Sequence[str]
    event_times: Ints
    latencies_ms: NDArray[np.float32]
    columns: tuple[Column, ...]
    errors: dict[int, str] = field(default_factory=dict)
    producer: Producer | None = None

    @property
    def rows(self) -> int:
        return len(self.event_times)


def columns_of(
    records: Sequence[dict[str, Any]], role: Role, imputed: Sequence[Iterable[str]] = ()
) -> tuple[Column, ...]:
    """Records turned into columns: a key left out is ABSENT, None is NULL.

    Args:
        records: a mapping of name to value, a row each; `kedge.contracts.values` says what becomes
            of a value that is no null, truth value, number, string or vector.
        role: what the names are.
        imputed: names that the inference code filled in, an iterable a row; none at all means that
            no row has any.
    """
    names: dict[str, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    filled = [frozenset(row) for row in imputed]
    for row in filled:
        names.update(dict.fromkeys(sorted(row)))
    built: list[Column] = []
    for name in names:
        cells = [record.get(name, ABSENT) for record in records]
        marks = np.fromiter((name in row for row in filled), bool, len(filled)) if filled else None
        built.extend(columns_of_cells(name, role, cells, marks))
    return tuple(built)


def columns_of_cells(
    name: str, role: Role, cells: list[Any], imputed: NDArray[np.bool_] | None = None
) -> Iterable[Column]:
    """One feature or output turned into columns, one for each type of value that it has.

    Args:
        name: of the feature or output.
        role: which of these it is.
        cells: a value a row, as in `columns_of`; `ABSENT` where there is none.
        imputed: `[rows]`, where the inference code filled it in.
    """
    cells = plain_cells(cells)
    types = frozenset(map(type, cells))
    states = np.zeros(len(cells), np.uint8)
    if type(ABSENT) in types or type(None) in types:
        states[[cell is ABSENT for cell in cells]] = State.ABSENT
        states[[cell is None for cell in cells]] = State.NULL
    if imputed is not None:
        states[imputed] = State.IMPUTED
    types -= {type(ABSENT), type(None)}
    if not types:
        yield Column(name, role, "number", states, np.full(len(cells), np.nan))
        return
    kinds = sorted({_kind(cell) for cell in cells if cell is not None and cell is not ABSENT})
    for kind in kinds:
        mine, own = cells, states
        if len(kinds) > 1:
            # The rows of another type are absent here; so are, but in the first of the columns,
            # those that have no value at all.
            other = [_kind(cell) != kind for cell in cells]
            mine = [None if skip else cell for cell, skip in zip(cells, other, strict=True)]
            own = states.copy()
            without_value = np.array([cell is None or cell is ABSENT for cell in cells])
            own[np.array(other) & ~(without_value & (kind == kinds[0]))] = State.ABSENT
        yield _column(name, role, kind, own, mine)


def _kind(cell: Any) -> str:
    """The physical type that a value goes into; vectors of each length apart."""
    if isinstance(cell, bool):
        return "boolean"
    if isinstance(cell, int | float):
        return "number"
    if isinstance(cell, str):
        return "text"
    if isinstance(cell, list | np.ndarray):
        return f"vector {len(cell)}"
    return "none"


def _column(name: str, role: Role, kind: str, states: Bytes, cells: list[Any]) -> Column:
    present = [cell is not None and cell is not ABSENT for cell in cells]
    if kind == "text":
        codes: dict[str, int] = {}
        values = np.fromiter(
            (
                codes.setdefault(cell, len(codes)) if there else 0
                for cell, there in zip(cells, present, strict=True)
            ),
            np.int32,
            len(cells),
        )
        return Column(name, role, "text", states, values, tuple(codes))
    if kind == "boolean":
        truth = np.array([cell is True for cell in cells], bool)
        return Column(name, role, "boolean", states, truth)
    if kind == "number":
        if all(present):
            return Column(name, role, "number", states, np.array(cells, np.float64))
        numbers = [c if there else np.nan for c, there in zip(cells, present, strict=True)]
        return Column(name, role, "number", states, np.array(numbers, np.float64))
    width = int(kind.removeprefix("vector "))
    vectors = [c if there else [np.nan] * width for c, there in zip(cells, present, strict=True)]
    return Column(
        name, role, "number", states, np.array(vectors, np.float64).reshape(len(cells), width)
    )
