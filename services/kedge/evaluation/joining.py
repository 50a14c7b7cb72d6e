"""Pure: joined predictions as messages of the `performance` contract, by release and window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from kedge.contracts import Record
from kedge.evaluation.truths import Joined

_MOST_ROWS = 20_000
"""Rows in one message: it stays far below what a topic takes."""


class BaseWindow(NamedTuple):
    """One base window of one release."""

    model: str
    environment: str
    release: int
    start: int


def by_window(joined: Iterable[Joined], window: int) -> Iterator[tuple[BaseWindow, list[Joined]]]:
    """Joined predictions by release and window, in the order of time.

    Args:
        joined: in any order.
        window: length of a base window, microseconds.
    """
    groups: dict[BaseWindow, list[Joined]] = {}
    for each in joined:
        start = each.prediction.event_time // window * window
        key = BaseWindow(each.model, each.environment, each.prediction.release, start)
        groups.setdefault(key, []).append(each)
    for key in sorted(groups, key=lambda key: (key.start, key)):
        rows = sorted(groups[key], key=lambda each: each.prediction.event_time)
        for first in range(0, len(rows), _MOST_ROWS):
            yield key, rows[first : first + _MOST_ROWS]


def joined_columns(rows: Iterable[Joined], predictions: Mapping[str, int]) -> Record:
    """The fields `outputs`, `truths`, `replaced` and `segments`.

    Args:
        rows: of one release and window.
        predictions: of these, in each segment, as far as they are archived.
    """
    listed = list(rows)
    segments: dict[str, Record] = {
        name: {"name": name, "predictions": count, "rows": []}
        for name, count in sorted(predictions.items())
    }
    for row, each in enumerate(listed):
        # One of before a restart may be in a segment that no policy names any more.
        for name in each.prediction.segments:
            empty = {"name": name, "predictions": 0, "rows": []}
            segments.setdefault(name, empty)["rows"].append(row)
    return {
        "outputs": [each.prediction.output for each in listed],
        "truths": [each.after for each in listed],
        "replaced": [each.before for each in listed],
        "segments": list(segments.values()),
    }
