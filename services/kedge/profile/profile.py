"""The profile: a mergeable summary of predictions on the bins of a reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from kedge.contracts import Record
from kedge.contracts.predictions import Ints
from kedge.profile.distinct import REGISTERS, Registers, no_registers, registers_from
from kedge.profile.expectation import Estimator, Expectation
from kedge.profile.missing import Missing
from kedge.profile.operations import Operations
from kedge.profile.reference import Reference
from kedge.profile.together import Together


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Counts of some predictions; `a + b` is the profile of both.

    Attributes:
        rows: predictions counted.
        errors: of these, inferences that raised.
        counts: for each column of the reference, int64 `[bins]`.
        missing: int64 `[columns, 8]`, by kind. With `counts` it adds up to `rows` in each column.
        sums: for each column with a scale, int64, in fixed point: of a numeric one `[bins]`, the
            sum of the values in the bin, as distances from the reference's mean in its standard
            deviations; of vectors, see `VectorScale.sums`. `[0]` for a column without a scale.
        together: which features are missing in one row.
        lost: the sum of the rows' reconstruction errors, see `projection`; 0 where the reference
            has no projection.
        operations: latencies, and errors by their type.
        registers: uint8 `[sketched columns, 1024]`, of the sketches of their categories; see
            `distinct` and `Reference.sketched`.
        expectation: of the performance, by the estimator of the reference; nothing without one.
    """

    rows: int
    errors: int
    counts: tuple[Ints, ...]
    missing: Ints
    sums: tuple[Ints, ...]
    together: Together = field(default_factory=Together)
    lost: int = 0
    operations: Operations = field(default_factory=Operations)
    registers: Registers = field(default_factory=no_registers)
    expectation: Expectation = field(default_factory=Expectation)

    @classmethod
    def empty(cls, reference: Reference) -> Profile:
        """The profile of no predictions: the neutral element of `+`."""
        return cls(
            0,
            0,
            tuple(np.zeros(len(column.bins), np.int64) for column in reference.columns),
            np.zeros((len(reference.columns), len(Missing)), np.int64),
            tuple(np.zeros(column.sums_wanted, np.int64) for column in reference.columns),
            registers=no_registers(len(reference.sketched)),
        )

    @classmethod
    def of_all(cls, profiles: Sequence[Profile]) -> Profile:
        """The sum of one profile or more: the same as by `+`, and quicker for many."""
        return cls(
            sum(profile.rows for profile in profiles),
            sum(profile.errors for profile in profiles),
            _added(profile.counts for profile in profiles),
            np.sum([profile.missing for profile in profiles], axis=0),
            _added(profile.sums for profile in profiles),
            Together.of_all(profile.together for profile in profiles),
            sum(profile.lost for profile in profiles),
            Operations.of_all(profile.operations for profile in profiles),
            np.max([profile.registers for profile in profiles], axis=0),
            Expectation.of_all(profile.expectation for profile in profiles),
        )

    def __add__(self, other: Profile) -> Profile:
        return Profile(
            self.rows + other.rows,
            self.errors + other.errors,
            tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)),
            self.missing + other.missing,
            tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            self.together + other.together,
            self.lost + other.lost,
            self.operations + other.operations,
            np.maximum(self.registers, other.registers),
            self.expectation + other.expectation,
        )

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Profile)
            and (self.rows, self.errors, len(self.counts), self.together, self.lost)
            == (other.rows, other.errors, len(other.counts), other.together, other.lost)
            and np.array_equal(self.missing, other.missing)
            and np.array_equal(self.registers, other.registers)
            and self.operations == other.operations
            and self.expectation == other.expectation
            and all(map(np.array_equal, self.counts, other.counts))
            and all(map(np.array_equal, self.sums, other.sums))
        )

    __hash__ = None  # type: ignore[assignment]

    def to_record(self, reference: Reference) -> Record:
        """What the `profile` contract has of it."""
        registers = dict(zip(reference.sketched, self.registers, strict=True))
        return {
            "rows": self.rows,
            "errors": self.errors,
            "columns": [
                {
                    "name": column.spec.name,
                    "role": column.spec.role,
                    "counts": counts.tolist(),
                    "missing": missing.tolist(),
                    "sums": sums.tolist(),
                    "registers": registers[at].tobytes() if at in registers else b"",
                }
                for at, (column, counts, missing, sums) in enumerate(
                    zip(reference.columns, self.counts, self.missing, self.sums, strict=True)
                )
            ],
            "together": self.together.to_record(),
            "lost": self.lost,
            "operations": self.operations.to_record(),
            "expectation": self.expectation.to_record(),
        }

    @classmethod
    def from_record(
        cls, record: Record, reference: Reference, estimator: Estimator | None = None
    ) -> Profile:
        """The profile in a record of the `profile` contract.

        Args:
            record: of the contract.
            reference: of the release.
            estimator: of the reference, where it has one.

        Raises:
            ValueError: its columns, bins or sums are not those of the reference.
        """
        specs = [(column["role"], column["name"]) for column in record["columns"]]
        wanted = [(spec.role, spec.name) for spec in reference.signature]
        sizes = [(len(column["counts"]), len(column["sums"])) for column in record["columns"]]
        together = Together.from_record(record["together"])
        # Profiles of before have none.
        registers = [each["registers"] for each in record["columns"] if each["registers"]]
        expectation = Expectation.from_record(record["expectation"])
        if (
            specs != wanted
            or len(registers) not in (0, len(reference.sketched))
            or any(len(each) != REGISTERS for each in registers)
            or sizes != [(len(column.bins), column.sums_wanted) for column in reference.columns]
            or not together.features <= set(range(len(wanted)))
            or expectation.length > (0 if estimator is None else estimator.length)
        ):
            raise ValueError(
                f"profile of release {record['release']} of {record['model']} does not fit "
                "the reference of that release: it is of other columns or other bins, or of "
                "another estimator"
            )
        return cls(
            record["rows"],
            record["errors"],
            tuple(np.array(column["counts"], np.int64) for column in record["columns"]),
            np.array([column["missing"] for column in record["columns"]], np.int64).reshape(
                len(specs), len(Missing)
            ),
            tuple(np.array(column["sums"], np.int64) for column in record["columns"]),
            together,
            record["lost"],
            Operations.from_record(record["operations"]),
            registers_from(registers) if registers else no_registers(len(reference.sketched)),
            expectation,
        )


def _added(parts: Iterable[tuple[Ints, ...]]) -> tuple[Ints, ...]:
    return tuple(np.sum(column, axis=0) for column in zip(*parts, strict=True))
