"""Segments: the rows of a window in which a feature has one value, or one range of values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kedge.performance.values import class_text, numbers
from kedge.profile import ReferenceColumn

OTHER = "other"


def segment_of(column: ReferenceColumn, value: Any) -> str | None:
    """The segment that a row is in by one of its features, as `feature=value`.

    There are no more than the reference has bins, and one more: categories that it does not have
    are `other`. A numeric feature has a segment for each bin: `distance=100 to 250`, the lower end
    included.

    Args:
        column: of the reference of the release, which says what the values are.
        value: of the feature in that row.

    Returns:
        None where the row has no usable value.

    Raises:
        ValueError: the feature is a vector.
    """
    spec, bins = column.spec, column.bins
    if spec.type == "vector":
        raise ValueError(f"feature `{spec.name}` is a vector, which makes no segments")
    if spec.type == "numeric":
        number = float(numbers([value])[0])
        return None if math.isnan(number) else f"{spec.name}={_range(bins.edges.tolist(), number)}"
    text = class_text(value)
    if text is None:
        return None
    return f"{spec.name}={text if text in bins.categories else OTHER}"


def _range(edges: list[float], number: float) -> str:
    position = int(np.searchsorted(edges, number, side="right"))
    if not edges:
        return "any"
    if position == 0:
        return f"below {edges[0]!r}"
    if position == len(edges):
        return f"{edges[-1]!r} or above"
    return f"{edges[position - 1]!r} to {edges[position]!r}"
