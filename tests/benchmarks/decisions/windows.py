"""What a method sees: a window, and the past that its stream had before monitoring began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, PredictionBatch, Tags
from kedge.contracts.predictions import State
from kedge.profile import Profile, Reference, count_windows, reference_of

HOUR = 3_600_000_000
_TAGS = Tags("bench", "m1", "c1", 1, "production")


@dataclass(frozen=True)
class Category:
    """A categorical column: int64 `[rows]` codes into `labels`, -1 for null."""

    codes: NDArray[np.int64]
    labels: tuple[str, ...]

    def __getitem__(self, rows) -> Category:
        return Category(self.codes[rows], self.labels)


# A number column is float64 `[rows]`, NaN for null.
Values = NDArray[np.float64] | Category


@dataclass(frozen=True)
class Rows:
    """Predictions before they are counted.

    Attributes:
        features: by name.
        output: bool `[rows]`, what the model said; None where the stream has no model.
        truth: bool `[rows]`, what came true; None likewise.
    """

    features: dict[str, Values]
    output: NDArray[np.bool_] | None = None
    truth: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        first = next(iter(self.features.values()))
        return len(first.codes if isinstance(first, Category) else first)


@dataclass(frozen=True)
class Window:
    """One window.

    Attributes:
        index: windows since monitoring began; negative in the past.
        profile: its counts.
        rows: what was counted; None where the counts themselves were drawn.
    """

    index: int
    profile: Profile
    rows: Rows | None = field(repr=False, default=None)

    @property
    def start(self) -> int:
        """Microseconds since 1970 UTC; windows are hours, and window 0 is a Thursday's midnight."""
        return (self.index + 24 * 7 * 2000) * HOUR


@dataclass(frozen=True, eq=False)
class Past:
    """What is known when monitoring begins.

    Attributes:
        reference: the profile of all rows of the past.
        windows: the same rows, window by window, oldest first.
        season: hours after which windows are alike again; None without a rhythm.
    """

    reference: Reference
    windows: Sequence[Window]
    season: int | None = None


def columns(rows: Rows) -> tuple[Column, ...]:
    made = []
    for name, values in rows.features.items():
        if isinstance(values, Category):
            states = np.where(values.codes < 0, State.NULL, State.VALUE).astype(np.uint8)
            codes = np.maximum(values.codes, 0).astype(np.int32)
            made.append(Column(name, "feature", "text", states, codes, values.labels))
        else:
            states = np.where(np.isnan(values), State.NULL, State.VALUE).astype(np.uint8)
            made.append(Column(name, "feature", "number", states, values))
    if rows.output is not None:
        states = np.zeros(len(rows), np.uint8)
        made.append(Column("output", "output", "boolean", states, rows.output))
    return tuple(made)


def counted(rows: Rows, reference: Reference) -> Profile:
    batch = PredictionBatch(
        _TAGS,
        [""] * len(rows),
        np.zeros(len(rows), np.int64),
        np.full(len(rows), np.nan, np.float32),
        columns(rows),
    )
    return count_windows(batch, reference, HOUR)[0]


def past_of(windows: Sequence[Rows], season: int | None = None) -> Past:
    """The past that these windows of rows make, the latest of them just before window 0."""
    reference = reference_of(columns(joined(windows)))
    return Past(
        reference,
        [
            Window(i - len(windows), counted(rows, reference), rows)
            for i, rows in enumerate(windows)
        ],
        season,
    )


def joined(parts: Sequence[Rows]) -> Rows:
    features: dict[str, Values] = {}
    for name, first in parts[0].features.items():
        mine = [part.features[name] for part in parts]
        features[name] = (
            Category(np.concatenate([each.codes for each in mine]), first.labels)
            if isinstance(first, Category)
            else np.concatenate(mine)
        )
    if parts[0].output is None:
        return Rows(features)
    return Rows(
        features,
        np.concatenate([part.output for part in parts]),
        np.concatenate([part.truth for part in parts]),
    )
