"""How good estimates were, once the labels have come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kedge.statistics import Statistic

_ESTIMATED = "estimated_"


def reconcile(estimated: Iterable[Statistic], realised: Iterable[Statistic]) -> Iterator[Statistic]:
    """For each estimate `estimation_error_…`: the estimate less what the labels say.

    Args:
        estimated: what was estimated of a window, of all its rows.
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
        yield Statistic(
            f"estimation_error_{name}", error, rows, segment=estimate.segment, note=note
        )
