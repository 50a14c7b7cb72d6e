"""The statistic: one number about one window of one release."""

from __future__ import annotations

from dataclasses import dataclass

from kedge.contracts import Record, Role


@dataclass(frozen=True, slots=True)
class Statistic:
    """One number about one window of one release.

    Attributes:
        name: which statistic.
        value: the number; None where it can't be had, and then `note` says why.
        rows: how many rows of the window it is computed from.
        role: whether it is about a feature or an output; None when it is about the window.
        column: which feature or output.
        kind: for a missing rate, the kind; None for all kinds together.
        note: what a reader of the number has to know.
        segment: which rows of the window, as `feature=value`; None for all.
        low: where the profile does not hold all that the number depends on, the least that the raw
            rows could give; of an estimate without labels, the lower end of its band; None where
            the value is what they give.
        high: the most that they could give, or the upper end of the band.
    """

    name: str
    value: float | None
    rows: int
    role: Role | None = None
    column: str | None = None
    kind: str | None = None
    note: str | None = None
    segment: str | None = None
    low: float | None = None
    high: float | None = None

    def to_record(self) -> Record:
        """As in the `statistic` contract."""
        # Not by `asdict`, which copies deeply: ten times as long, and a window has hundreds.
        return {name: getattr(self, name) for name in self.__slots__}
