"""Pure: queries of the archive that a chart is drawn from, and their rows put into its form.

All are of base windows on event time: of what is published the shortest, so no two overlap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

MOST_WINDOWS = 2000
"""That a chart shows; the newest where there are more."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

NEWEST = """
    SELECT model, epoch_us(max(window_end)) AS newest,
        min(epoch_us(window_end) - epoch_us(window_start)) AS length
    FROM statistic_revisions
    WHERE clock = 'event' AND list_contains($models, model)
    GROUP BY model"""
"""Of each of some models: the end of its newest window, and the length of a base window."""

OPEN_INCIDENTS = """
    SELECT model, incident, starts_at, severity, summary FROM (
        SELECT model, incident, min(starts_at) AS starts_at,
            arg_max(status, (produced_at, id)) AS status,
            arg_max(severity, (produced_at, id)) AS severity,
            arg_max(summary, (produced_at, id)) AS summary
        FROM alerts WHERE list_contains($models, model) GROUP BY model, incident
    ) WHERE status = 'firing' ORDER BY starts_at DESC, incident"""
"""Of some models: what fires."""

AVERAGES = """
    WITH mine AS (
        SELECT * FROM statistics
        WHERE model = $model AND release = $release AND clock = 'event'
            AND column_name IS NULL AND segment IS NULL
            AND statistic NOT IN ('onset', 'onset_earliest', 'onset_latest')  -- times
        QUALIFY epoch_us(window_end) - epoch_us(window_start)
            = min(epoch_us(window_end) - epoch_us(window_start)) OVER (PARTITION BY part)
    )
    SELECT statistic, kind, count(value) AS windows, sum(rows) FILTER (value IS NOT NULL) AS rows,
        sum(value * rows) / nullif(sum(rows) FILTER (value IS NOT NULL), 0) AS average,
        min(value) AS least, max(value) AS greatest
    FROM mine GROUP BY statistic, kind HAVING count(value) > 0 ORDER BY statistic, kind"""
"""Of a release: each statistic of its windows, on average over their rows."""


def recent(newest: Sequence[Mapping[str, Any]], windows: int) -> tuple[str, dict[str, Any]]:
    """The query of the last windows of some models: traffic, labels, and the worst of drift.

    Args:
        newest: rows of `NEWEST`, at least one.
        windows: how many of each model.
    """
    values: dict[str, Any] = {}
    either = []
    for at, row in enumerate(newest):
        values |= {f"m{at}": row["model"], f"t{at}": row["newest"] - windows * row["length"]}
        values[f"l{at}"] = row["length"]
        either.append(
            f"(model = $m{at} AND window_start >= make_timestamp($t{at})::TIMESTAMPTZ "
            f"AND epoch_us(window_end) - epoch_us(window_start) = $l{at})"
        )
    query = f"""
        SELECT model, window_start, window_end, arg_max(release, window_rows) AS release,
            sum(window_rows) FILTER (statistic = 'rows') AS rows,
            sum(window_errors) FILTER (statistic = 'rows') AS errors,
            avg(value) FILTER (statistic = 'label_coverage') AS label_coverage,
            max(value) FILTER (statistic = 'psi' AND role = 'feature') AS drift,
            max(value) FILTER (statistic = 'missing_rate' AND role = 'feature' AND kind IS NULL)
                AS missing
        FROM statistics
        WHERE clock = 'event' AND segment IS NULL AND ({" OR ".join(either)})
            AND statistic IN ('rows', 'label_coverage', 'psi', 'missing_rate')
        GROUP BY model, window_start, window_end ORDER BY model, window_start"""  # noqa: S608
    return query, values


def chosen(
    filters: Mapping[str, str | int | None],
    start: dt.datetime | None,
    end: dt.datetime | None,
    *,
    columns: bool,
) -> tuple[str, dict[str, Any]]:
    """The query of one statistic in base windows.

    Args:
        filters: columns of the view, and the value of each; `kind` None means all kinds together,
            and any other None any value.
        start: windows that begin then or later.
        end: windows that begin before.
        columns: of every feature and output, in the release with most rows of a window; else of one
            series, in every release.
    """
    values: dict[str, Any] = {"most": MOST_WINDOWS, "kind": filters.get("kind")}
    conditions = ["clock = 'event'", "kind IS NOT DISTINCT FROM $kind"]
    exact = () if columns else ("column_name", "segment")
    for name, value in filters.items():
        if name != "kind" and (value is not None or name in exact):
            conditions.append(f"{name} IS NOT DISTINCT FROM ${name}")
            values[name] = value
    for name, sign, moment in (("from_time", ">=", start), ("to_time", "<", end)):
        if moment is not None:
            conditions.append(f"window_start {sign} make_timestamp(${name})::TIMESTAMPTZ")
            values[name] = (moment - _EPOCH) // dt.timedelta(microseconds=1)
    if columns:
        conditions += ["column_name IS NOT NULL", "segment IS NULL"]
    busiest = "AND rank() OVER (PARTITION BY t ORDER BY window_rows DESC, release DESC) = 1"
    query = f"""
        SELECT epoch_us(window_start) AS t, epoch_us(window_end) AS until, release, environment,
            role, column_name, value, rows, low, high, note, window_rows
        FROM statistics WHERE {" AND ".join(conditions)}
        QUALIFY until - t = min(until - t) OVER ()
            AND dense_rank() OVER (ORDER BY t DESC) <= $most {busiest if columns else ""}
        ORDER BY {"role, column_name, t" if columns else "release, environment, t"}"""  # noqa: S608
    return query, values


def as_series(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A series for each release and environment, as lists of one length."""
    return [
        {
            "release": release,
            "environment": environment,
            **_in_lists(list(members), ("value", "rows", "low", "high", "note")),
        }
        for (release, environment), members in groupby(
            rows, key=itemgetter("release", "environment")
        )
    ]


def as_matrix(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The windows, and for each feature and output its values in them; None where there is none."""
    windows = {row["t"]: row for row in rows}
    starts = sorted(windows)
    position = {start: at for at, start in enumerate(starts)}
    columns = []
    for (role, name), members in groupby(rows, key=itemgetter("role", "column_name")):
        values: list[float | None] = [None] * len(starts)
        for row in members:
            values[position[row["t"]]] = row["value"]
        columns.append({"role": role, "column_name": name, "values": values})
    in_order = [windows[start] for start in starts]
    listed = _in_lists(in_order, ("release", "environment", "window_rows"))
    listed["rows"] = listed.pop("window_rows")
    return {**listed, "columns": columns}


def _in_lists(rows: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    times = {"starts": [_moment(row["t"]) for row in rows]}
    times["ends"] = [_moment(row["until"]) for row in rows]
    return times | {_plural(name): [row[name] for row in rows] for name in names}


def _plural(name: str) -> str:
    return name if name.endswith("s") else f"{name}s"


def _moment(microseconds: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=microseconds)
