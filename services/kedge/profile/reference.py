"""The reference: signature, fixed bins and the counts that windows are compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kedge.contracts import Record
from kedge.contracts.predictions import Ints
from kedge.profile.bins import Bins
from kedge.profile.missing import Missing
from kedge.profile.scale import Scale
from kedge.profile.signature import ColumnSpec
from kedge.profile.together import Together


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceColumn:
    """Signature, bins and counts of one column.

    Attributes:
        spec: the signature.
        bins: where values are counted.
        counts: int64 `[bins]`, rows of the reference in each bin.
        missing: int64 `[8]`, rows of the reference without a usable value, by kind.
        scale: numeric: the unit of its sums; None for other columns and for a constant.
        sums: with a scale: int64 `[bins]`, as in a profile of the reference; else `[0]`.
    """

    spec: ColumnSpec
    bins: Bins
    counts: Ints
    missing: Ints
    scale: Scale | None = None
    sums: Ints = field(default_factory=lambda: np.empty(0, np.int64))

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
            "ordered": bool(spec.order),
            "center": None if self.scale is None else self.scale.center,
            "spread": None if self.scale is None else self.scale.spread,
            "sums": self.sums.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ReferenceColumn:
        categories = tuple(record["categories"])
        spec = ColumnSpec(
            record["name"],
            record["role"],
            record["type"],
            record["minimum"],
            record["maximum"],
            categories if record["ordered"] else (),
        )
        bins = Bins(np.array(record["edges"], np.float64), categories)
        column = cls(
            spec,
            bins,
            np.array(record["counts"], np.int64),
            np.array(record["missing"], np.int64),
            None if record["spread"] is None else Scale(record["center"], record["spread"]),
            np.array(record["sums"], np.int64),
        )
        if len(column.counts) != len(bins) or len(column.missing) != len(Missing):
            raise ValueError(
                f"reference of {spec.role} `{spec.name}` has {len(column.counts)} counts for "
                f"{len(bins)} bins and {len(column.missing)} kinds of missing for {len(Missing)}"
            )
        if len(column.sums) != (0 if column.scale is None else len(bins)):
            raise ValueError(
                f"reference of {spec.role} `{spec.name}` has {len(column.sums)} sums for "
                f"{len(bins)} bins: they are wanted where there is a spread, and only there"
            )
        if column.scale is not None and not len(bins.edges):
            raise ValueError(f"reference of {spec.role} `{spec.name}` has a spread and no edges")
        return column


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the windows of a model version are compared with.

    Attributes:
        rows: rows that it is of.
        columns: features and outputs in the signature's order; at most one of each name and role.
        together: which features are missing in one row.
    """

    rows: int
    columns: tuple[ReferenceColumn, ...]
    together: Together = field(default_factory=Together)

    @property
    def signature(self) -> tuple[ColumnSpec, ...]:
        return tuple(column.spec for column in self.columns)

    def to_record(self) -> Record:
        return {
            "rows": self.rows,
            "columns": [column.to_record() for column in self.columns],
            "together": self.together.to_record(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reference:
        return cls(
            record["rows"],
            tuple(map(ReferenceColumn.from_record, record["columns"])),
            Together.from_record(record["together"]),
        )
