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
from kedge.profile.projection import Projection
from kedge.profile.scale import Scale
from kedge.profile.signature import ColumnSpec
from kedge.profile.together import Together
from kedge.profile.vectors import VectorScale


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceColumn:
    """Signature, bins and counts of one column.

    Attributes:
        spec: the signature.
        bins: where values are counted.
        counts: int64 `[bins]`, rows of the reference in each bin.
        missing: int64 `[8]`, rows of the reference without a usable value, by kind.
        scale: numeric and vector: the unit of its sums; None for other columns and for a constant.
        sums: int64, as in a profile of the reference; `[0]` without a scale.
    """

    spec: ColumnSpec
    bins: Bins
    counts: Ints
    missing: Ints
    scale: Scale | VectorScale | None = None
    sums: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def cells(self) -> int:
        """How many cells its rows are counted in: its bins, and the kinds of missing."""
        return len(self.bins) + len(Missing)

    @property
    def sums_wanted(self) -> int:
        """How many sums a profile has of the column."""
        if isinstance(self.scale, VectorScale):
            return self.scale.length
        return 0 if self.scale is None else len(self.bins)

    @property
    def is_sketched(self) -> bool:
        """Whether a profile has a sketch of the categories, as not each of them has a bin."""
        return self.bins.tail > 0

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
            "tail": self.bins.tail,
            "counts": self.counts.tolist(),
            "missing": self.missing.tolist(),
            "ordered": bool(spec.order),
            **_scale_record(self.scale),
            "sums": self.sums.tolist(),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ReferenceColumn:
        # A registry's older references have no more than bins and counts.
        record = {**_OF_OLDER, **record}
        categories = tuple(record["categories"])
        spec = ColumnSpec(
            record["name"],
            record["role"],
            record["type"],
            record["minimum"],
            record["maximum"],
            categories if record["ordered"] else (),
        )
        bins = Bins(np.array(record["edges"], np.float64), categories, record["tail"])
        column = cls(
            spec,
            bins,
            np.array(record["counts"], np.int64),
            np.array(record["missing"], np.int64),
            _scale_of(record),
            np.array(record["sums"], np.int64),
        )
        if len(column.counts) != len(bins) or len(column.missing) != len(Missing):
            raise ValueError(
                f"reference of {spec.role} `{spec.name}` has {len(column.counts)} counts for "
                f"{len(bins)} bins and {len(column.missing)} kinds of missing for {len(Missing)}"
            )
        if len(column.sums) != column.sums_wanted:
            raise ValueError(
                f"reference of {spec.role} `{spec.name}` has {len(column.sums)} sums, and its "
                f"scale wants {column.sums_wanted}"
            )
        if isinstance(column.scale, Scale) and not len(bins.edges):
            raise ValueError(f"reference of {spec.role} `{spec.name}` has a scale and no edges")
        return column


# As the `release_event` contract's defaults.
_OF_OLDER: Record = {
    "tail": 0,
    "ordered": False,
    "centers": [],
    "spreads": [],
    "bandwidth": None,
    "sums": [],
}


def _scale_record(scale: Scale | VectorScale | None) -> Record:
    centers, spreads, bandwidth = [], [], None
    if isinstance(scale, VectorScale):
        centers, spreads, bandwidth = (
            scale.centers.tolist(),
            scale.spreads.tolist(),
            scale.bandwidth,
        )
    elif scale is not None:
        centers, spreads = [scale.center], [scale.spread]
    return {"centers": centers, "spreads": spreads, "bandwidth": bandwidth}


def _scale_of(record: Mapping[str, Any]) -> Scale | VectorScale | None:
    centers, spreads, bandwidth = record["centers"], record["spreads"], record["bandwidth"]
    if bandwidth is not None:
        return VectorScale(np.array(centers, np.float64), np.array(spreads, np.float64), bandwidth)
    return Scale(centers[0], spreads[0]) if centers else None


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the windows of a model version are compared with.

    Attributes:
        rows: rows that it is of.
        columns: features and outputs in the signature's order; at most one of each name and role.
        together: which features are missing in one row.
        projection: of the numeric features, where there are two or more that vary.
        estimator: what performance is estimated with before labels come, and what the outputs are
            compared as, in the `release_event` contract's form (see `kedge.performance.estimator`);
            None where the truth was not among the data.
    """

    rows: int
    columns: tuple[ReferenceColumn, ...]
    together: Together = field(default_factory=Together)
    projection: Projection | None = None
    estimator: Record | None = None

    @property
    def sketched(self) -> tuple[int, ...]:
        """Positions of the columns whose categories a profile has sketches of."""
        return tuple(at for at, column in enumerate(self.columns) if column.is_sketched)

    @property
    def numbers(self) -> list[int]:
        """Positions of the columns with a `Scale`, features first."""
        scaled = [i for i, column in enumerate(self.columns) if isinstance(column.scale, Scale)]
        return sorted(scaled, key=lambda i: self.columns[i].spec.role != "feature")

    @property
    def signature(self) -> tuple[ColumnSpec, ...]:
        return tuple(column.spec for column in self.columns)

    def to_record(self) -> Record:
        return {
            "rows": self.rows,
            "columns": [column.to_record() for column in self.columns],
            "together": self.together.to_record(),
            "projection": None if self.projection is None else self.projection.to_record(),
            "estimator": self.estimator,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Reference:
        known = record.get("projection")
        together = record.get("together")
        return cls(
            record["rows"],
            tuple(map(ReferenceColumn.from_record, record["columns"])),
            Together() if together is None else Together.from_record(together),
            None if known is None else Projection.from_record(known),
            record.get("estimator"),
        )
