"""Segments: the rows of a window in which a feature has one value, or is in one range."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, Self

from kedge.performance.values import class_text
from kedge.profile import ReferenceColumn

OTHER = "other"

_RANGE = re.compile(r"([\[(])([^,]*),([^,]*)([\])])")


@dataclass(frozen=True, slots=True)
class SegmentPattern:
    """The segments that a rule is about.

    Attributes:
        feature: whose values tell rows apart.
        value: what is behind the `=`; of a range, as segments are named.
        kind: one value; one range of numbers; or a glob, which stands for each cell of the
            reference that it matches, and for its `other` categories.
        low: lower end of a range.
        high: upper end of a range.
    """

    feature: str
    value: str
    kind: Literal["value", "range", "glob"]
    low: float = math.nan
    high: float = math.nan

    @classmethod
    def parse(cls, text: str) -> Self:
        """A pattern as policies write it: `origin=JFK`, `origin=*`, `distance=[100,250)`.

        Raises:
            ValueError: it is none of these; the text says what would be right.
        """
        feature, _, value = text.partition("=")
        if not feature or not value:
            raise ValueError(f"{text!r} is no segment: feature=value, as in origin=JFK")
        if set(feature) & set("*?"):
            raise ValueError(f"the feature of {text!r} is a glob: name one feature, as in origin=*")
        if range_ := _RANGE.fullmatch(value):
            low, high = (_number(text, end) for end in range_.group(2, 3))
            if not low <= high:
                raise ValueError(f"the range of {text!r} ends before it begins: as in [18,30)")
            named = _range(range_[1], low, high, range_[4])
            return cls(feature, named, "range", low, high)
        return cls(feature, value, "glob" if set(value) & set("*?") else "value")

    @property
    def name(self) -> str:
        return f"{self.feature}={self.value}"

    def covers(self, segment: str) -> bool:
        """Whether a segment with this name is one of those that are meant."""
        if self.kind != "glob":
            return segment == self.name
        feature, _, cell = segment.partition("=")
        return feature == self.feature and self._matches(cell)

    def _matches(self, cell: str) -> bool:
        # In names, brackets are ends of ranges.
        return fnmatchcase(cell, self.value.replace("[", "[[]"))

    def segment_of(self, column: ReferenceColumn, value: Any) -> str | None:
        """The segment of this pattern that a value is in; None where it is in none."""
        if self.kind == "range":
            inside = _usable_number(value) and self._includes(value)
            return self.name if inside else None
        cell = cell_of(column, value)
        if self.kind == "glob":
            return f"{self.feature}={cell}" if cell is not None and self._matches(cell) else None
        return self.name if self.value in (cell, class_text(value)) else None

    def _includes(self, number: float) -> bool:
        above = number > self.low or (number == self.low and self.value[0] == "[")
        return above and (number < self.high or (number == self.high and self.value[-1] == "]"))


def segments_of(
    patterns: Iterable[SegmentPattern], column: ReferenceColumn, value: Any
) -> list[str]:
    """The segments that a row is in by one of its features, in the order of their names.

    A glob makes no more of them than the reference has bins, and one: the categories that have no
    bin there are `other`. So what is kept of segments is bounded, whatever values come.

    Args:
        patterns: about this feature.
        column: of the reference of the release.
        value: of the feature in that row; one that is not usable is in no segment.
    """
    found = (pattern.segment_of(column, value) for pattern in patterns)
    return sorted({segment for segment in found if segment is not None})


def cell_of(column: ReferenceColumn, value: Any) -> str | None:
    """The bin of the reference that a value is in, in words; None for one that is not usable.

    Of a numeric feature a range, of others the category, or `other` where it has no bin.
    """
    spec, bins = column.spec, column.bins
    if spec.type == "vector":
        return None
    if spec.type == "numeric":
        if not _usable_number(value):
            return None
        edges = [-math.inf, *bins.edges.tolist(), math.inf]
        above = bisect_right(edges, value)
        low, high = edges[above - 1], edges[above]
        return _range("(" if low == -math.inf else "[", low, high, ")")
    text = class_text(value)
    return text if text is None or text in bins.categories else OTHER


def _range(opens: str, low: float, high: float, closes: str) -> str:
    return f"{opens}{class_text(low)},{class_text(high)}{closes}"


def _usable_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(text: str, end: str) -> float:
    try:
        number = float(end)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise ValueError(
            f"{end.strip()!r} in {text!r} is no number: a range is [18,30) or (-inf,0]"
        )
    return number
