"""The reference: signature, fixed bins and the counts that windows are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, Record, Role
from kedge.contracts.predictions import Floats, Ints, State
from kedge.profile.missing import Missing

ColumnType = Literal["numeric", "boolean", "categorical", "vector"]
BOOLEAN_CATEGORIES = ("false", "true")


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One line of a model's signature.

    Attributes:
        name: of the feature or output.
        role: feature or output.
        type: what a value has to be.
        minimum: a number below this is out of range; None for no bound.
        maximum: a number above this is out of range; None for no bound.
    """

    name: str
    role: Role
    type: ColumnType
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Where a value is counted.

    Attributes:
        edges: numeric: float64, ascending, inner edges. Bin i holds the values with i edges at or
            below them, so the first and the last bin are open-ended.
        categories: categorical and boolean: the category of each bin.
    """

    edges: Floats
    categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.categories) or len(self.edges) + 1


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceColumn:
    """Signature, bins and counts of one column.

    Attributes:
        spec: the signature.
        bins: where values are counted.
        counts: int64 `[bins]`, rows of the reference in each bin.
        missing: int64 `[8]`, rows of the reference without a usable value, by kind.
    """

    spec: ColumnSpec
    bins: Bins
    counts: Ints
    missing: Ints

    def to_record(self) -> Record:
        """As in the `release_event` contract."""
        spec = self.spec
        return {
            "name": spec.name,
            "role": spec.role,
            "type": spec.type,
            "minimum": spec.minimum,
            "maximum": spec.maximum,
            "edges": self.bins.edges.tolist(),
            "categories": list(self.bins.categories),
            "counts": self.counts.tolist(),
            "missing": self.missing.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ReferenceColumn:
        spec = ColumnSpec(
            record["name"], record["role"], record["type"], record["minimum"], record["maximum"]
        )
        bins = Bins(np.array(record["edges"], np.float64), tuple(record["categories"]))
        column = cls(
            spec,
            bins,
            np.array(record["counts"], np.int64),
            np.array(record["missing"], np.int64),
        )
        if len(column.counts) != len(bins) or len(column.missing) != len(Missing):
            raise ValueError(
                f"reference of {spec.role} `{spec.name}` has {len(column.counts)} counts for "
                f"{len(bins)} bins and {len(column.missing)} kinds of missing for {len(Missing)}"
            )
        return column


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the windows of a model version are compared with.

    Attributes:
        rows: rows that it is of.
        columns: features and outputs in the signature's order; at most one of each name and role.
    """

    rows: int
    columns: tuple[ReferenceColumn, ...]

    @property
    def signature(self) -> tuple[ColumnSpec, ...]:
        return tuple(column.spec for column in self.columns)

    def to_record(self) -> Record:
        return {"rows": self.rows, "columns": [column.to_record() for column in self.columns]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reference:
        return cls(record["rows"], tuple(map(ReferenceColumn.from_record, record["columns"])))


def infer_signature(columns: Iterable[Column]) -> tuple[ColumnSpec, ...]:
    """The signature that the data of a reference suggests.

    Raises:
        ValueError: a name comes with values of more than one type.
    """
    types: dict[tuple[Role, str], ColumnType] = {}
    for column in columns:
        guess: ColumnType
        if column.type == "number":
            guess = "numeric" if column.values.ndim == 1 else "vector"
        else:
            guess = "boolean" if column.type == "boolean" else "categorical"
        known = types.setdefault((column.role, column.name), guess)
        if known != guess:
            raise ValueError(
                f"{column.role} `{column.name}` of the reference has both {known} and {guess} "
                "values; give it one type, or say in the signature which one is right"
            )
    return tuple(ColumnSpec(name, role, type_) for (role, name), type_ in types.items())


def bins_for(spec: ColumnSpec, columns: Iterable[Column], most: int, most_categories: int) -> Bins:
    """Bins of one column from the data of the reference.

    Numbers with more distinct values than `most` get quantile bins; with fewer, a bin for each
    value and one on either side, so that a constant feature that moves is seen. Categories get a
    bin each, the most frequent first; those beyond `most_categories` will count as unseen.
    """
    if spec.type == "boolean":
        return Bins(np.empty(0), BOOLEAN_CATEGORIES)
    if spec.type == "vector":
        return Bins(np.empty(0))
    mine = [c for c in columns if (c.role, c.name) == (spec.role, spec.name)]
    if spec.type == "categorical":
        return Bins(np.empty(0), _categories(mine, most_categories))
    values = np.concatenate(
        [np.empty(0)]
        + [
            c.values[c.states == State.VALUE]
            for c in mine
            if c.type == "number" and c.values.ndim == 1
        ]
    )
    return Bins(_edges(values[np.isfinite(values)], most))


def _edges(values: Floats, most: int) -> Floats:
    distinct = np.unique(values)
    if len(distinct) == 0:
        return np.empty(0)
    if len(distinct) <= most:
        return np.append(distinct, np.nextafter(distinct[-1], np.inf))
    return np.unique(np.quantile(values, np.linspace(0, 1, most + 1)[1:-1]))


def _categories(columns: Iterable[Column], most: int) -> tuple[str, ...]:
    totals: dict[str, int] = {}
    for column in columns:
        names, codes = as_text(column)
        counted = np.bincount(codes[column.states == State.VALUE], minlength=len(names))
        for name, count in zip(names, counted.tolist(), strict=True):
            if name and count:
                totals[name] = totals.get(name, 0) + count
    # Ties by name, so that the same data gives the same bins.
    return tuple(sorted(totals, key=lambda name: (-totals[name], name))[:most])


def as_text(column: Column) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The texts of a column and the index of each row's.

    A number is written without a fraction where it has none, a truth value as false or true, and
    NaN as the empty text.

    Returns:
        The distinct texts, and int64 `[rows]`; what stands where there is no value is any index.
    """
    if column.type == "text":
        return column.dictionary or ("",), np.clip(column.values.astype(np.int64), 0, None)
    if column.type == "boolean":
        return BOOLEAN_CATEGORIES, column.values.astype(np.int64)
    if column.values.ndim > 1:
        raise ValueError(f"{column.role} `{column.name}` is a vector, not a category")
    distinct, codes = np.unique(column.values, return_inverse=True)
    return tuple(_number_text(value) for value in distinct.tolist()), codes.astype(np.int64)


def _number_text(value: float) -> str:
    if value != value:  # noqa: PLR0124 - NaN alone differs from itself
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
