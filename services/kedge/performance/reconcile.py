"""How good estimates were, once the labels have come: of one window, and of a release so far."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from kedge.statistics import RECONCILED, Statistic

_ESTIMATED = "estimated_"
_ERROR = "estimation_error_"


def reconcile(estimated: Iterable[Statistic], realised: Iterable[Statistic]) -> Iterator[Statistic]:
    """For each estimate `estimation_error_…`: the estimate less what the labels say.

    Args:
        estimated: what was estimated of a window, of all its rows or of those that have a label.
        realised: the metrics of that window, of the rows that have their label; the error is of as
            many rows.
    """
    known = {(metric.name, metric.segment): metric for metric in realised}
    for estimate in estimated:
        name = estimate.name.removeprefix(_ESTIMATED)
        metric = known.get((name, estimate.segment))
        rows = 0 if metric is None else metric.rows
        error = note = None
        if estimate.value is None:
            note = f"no estimate: {estimate.note}"
        elif metric is None or metric.value is None:
            note = "no labels yet" if metric is None else f"not known by labels: {metric.note}"
        else:
            error = estimate.value - metric.value
            if rows < estimate.rows:
                note = f"{rows} of {estimate.rows} rows have a label"
        yield Statistic(f"{_ERROR}{name}", error, rows, segment=estimate.segment, note=note)


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """How far estimates were off in some windows; `a + b` is of both, `a - b` takes windows out.

    Attributes:
        sums: for each metric the sum of rows · |error| over the windows, and that of their rows.
    """

    sums: Mapping[str, tuple[float, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, errors: Iterable[Statistic]) -> Self:
        """Of one window, by what `reconcile` gives."""
        return cls(
            {
                error.name.removeprefix(_ERROR): (error.rows * abs(error.value), error.rows)
                for error in errors
                if error.value is not None
            }
        )

    def __add__(self, other: TrackRecord) -> TrackRecord:
        return self._with(other, 1)

    def __sub__(self, other: TrackRecord) -> TrackRecord:
        return self._with(other, -1)

    def _with(self, other: TrackRecord, sign: int) -> TrackRecord:
        sums = dict(self.sums)
        for name, (size, rows) in other.sums.items():
            before, rows_before = sums.pop(name, (0.0, 0))
            if rows_before + sign * rows:
                sums[name] = (before + sign * size, rows_before + sign * rows)
        return TrackRecord(sums)

    def means(self) -> Iterator[Statistic]:
        """`mean_estimation_error_…` of each metric, over all rows of the windows."""
        for name in RECONCILED:
            size, rows = self.sums.get(name, (0.0, 0))
            # Taking windows out leaves what was rounded when they came.
            value = max(size, 0.0) / rows if rows else None
            note = None if rows else "no window so far has both an estimate and labels"
            yield Statistic(f"mean_{_ERROR}{name}", value, rows, note=note)

    def to_json(self) -> dict[str, Any]:
        return dict(self.sums)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls({name: (size, rows) for name, (size, rows) in data.items()})
