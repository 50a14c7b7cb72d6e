"""The profile: a mergeable summary of predictions on the bins of a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from kedge.contracts import Record
from kedge.contracts.predictions import Ints
from kedge.profile.missing import Missing
from kedge.profile.operations import Operations
from kedge.profile.reference import Reference


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts of some predictions; `a + b` is the profile of both.

    Attributes:
        rows: predictions counted.
        errors: of these, inferences that raised.
        counts: for each column of the reference, int64 `[bins]`.
        missing: int64 `[columns, 8]`, by kind. With `counts` it adds up to `rows` in each column.
        operations: latencies, and errors by their type.
    """

    rows: int
    errors: int
    counts: tuple[Ints, ...]
    missing: Ints
    operations: Operations = field(default_factory=Operations)

    @classmethod
    def empty(cls, reference: Reference) -> Profile:
        """The profile of no predictions: the neutral element of `+`."""
        return cls(
            0,
            0,
            tuple(np.zeros(len(column.bins), np.int64) for column in reference.columns),
            np.zeros((len(reference.columns), len(Missing)), np.int64),
        )

    @classmethod
    def of_all(cls, profiles: Sequence[Profile]) -> Profile:
        """The sum of one profile or more: the same as by `+`, and quicker for many."""
        return cls(
            sum(profile.rows for profile in profiles),
            sum(profile.errors for profile in profiles),
            tuple(
                np.sum(column, axis=0)
                for column in zip(*(profile.counts for profile in profiles), strict=True)
            ),
            np.sum([profile.missing for profile in profiles], axis=0),
            Operations.of_all(profile.operations for profile in profiles),
        )

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.rows + other.rows,
            self.errors + other.errors,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            self.missing + other.missing,
            self.operations + other.operations,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Profile)
            and (self.rows, self.errors, len(self.counts))
            == (other.rows, other.errors, len(other.counts))
            and np.array_equal(self.missing, other.missing)
            and self.operations == other.operations
            and all(map(np.array_equal, self.counts, other.counts))
        )

    __hash__ = None  # type: ignore[assignment]

    def to_columns(self, reference: Reference) -> list[Record]:
        """The `columns` of the `profile` contract."""
        return [
            {
                "name": column.spec.name,
                "role": column.spec.role,
                "counts": counts.tolist(),
                "missing": missing.tolist(),
            }
            for column, counts, missing in zip(
                reference.columns, self.counts, self.missing, strict=True
            )
        ]

    @classmethod
    def from_record(cls, record: Record, reference: Reference) -> Profile:
        """The profile in a record of the `profile` contract.

        Raises:
            ValueError: its columns or bins are not those of the reference.
        """
        specs = [(column["role"], column["name"]) for column in record["columns"]]
        wanted = [(spec.role, spec.name) for spec in reference.signature]
        sizes = [len(column["counts"]) for column in record["columns"]]
        if specs != wanted or sizes != [len(column.bins) for column in reference.columns]:
            raise ValueError(
                f"profile of release {record['release']} of {record['model']} does not fit "
                "the reference of that release: it is of other columns or other bins"
            )
        return cls(
            record["rows"],
            record["errors"],
            tuple(np.array(column["counts"], np.int64) for column in record["columns"]),
            np.array([column["missing"] for column in record["columns"]], np.int64).reshape(
                len(specs), len(Missing)
            ),
            Operations.from_record(record["operations"]),
        )
