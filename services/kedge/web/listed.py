"""Pure: queries of the archive's views, a page at a time, by keyset as the registry's are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kedge.registry import Key

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Listed:
    """A list over a view.

    Attributes:
        name: of the list.
        query: gives the rows: SQL that ends before WHERE.
        time: the column that time ranges are of.
        keys: SQL of what rows are sorted by and told apart by, with the type that each has in a
            cursor.
        group: SQL that follows WHERE.
        ascending: whether the least comes first.
    """

    name: str
    query: str
    time: str
    keys: tuple[tuple[str, type], ...]
    group: str = ""
    ascending: bool = False

    @property
    def types(self) -> tuple[type, ...]:
        """Of the parts of a key."""
        return tuple(kind for _, kind in self.keys)

    def page(
        self,
        filters: Mapping[str, str | int | None],
        start: dt.datetime | None,
        end: dt.datetime | None,
        after: Key | None,
        limit: int,
    ) -> tuple[str, dict[str, Any]]:
        """The query of a page and its parameters.

        Args:
            filters: columns and the value each has to have; None for any.
            start: from this time on.
            end: before this time.
            after: the key of the last row of the page before.
            limit: most rows.
        """
        values: dict[str, Any] = {}
        conditions = []
        for column, value in filters.items():
            if value is not None:
                conditions.append(f"{column} = ${column}")
                values[column] = value
        for name, sign, moment in (("from_time", ">=", start), ("to_time", "<", end)):
            if moment is not None:
                conditions.append(f"{self.time} {sign} make_timestamp(${name})::TIMESTAMPTZ")
                values[name] = _microseconds(moment)
        aliased = self._aliases()
        selected = ", ".join(
            f"{key} AS {name}" for (key, _), name in zip(self.keys, aliased, strict=True)
        )
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        following = ""
        if after is not None:
            sign = ">" if self.ascending else "<"
            last = ", ".join(f"$a{name}" for name in aliased)
            following = f"WHERE ({', '.join(aliased)}) {sign} ({last})"
            values |= dict(zip((f"a{name}" for name in aliased), after, strict=True))
        values["most"] = limit
        inner = self.query.replace("SELECT ", f"SELECT {selected}, ", 1)
        order = ", ".join(f"{name} {'ASC' if self.ascending else 'DESC'}" for name in aliased)
        rows = f"SELECT * FROM ({inner} {where} {self.group})"  # noqa: S608 - words of our own
        return f"{rows} {following} ORDER BY {order} LIMIT $most", values

    def keyed(self, rows: Sequence[dict[str, Any]]) -> list[tuple[Key, dict[str, Any]]]:
        """Each row with its key."""
        names = self._aliases()
        return [(tuple(row[name] for name in names), row) for row in rows]

    def _aliases(self) -> list[str]:
        return [f"k{position}" for position in range(len(self.keys))]


def _microseconds(moment: dt.datetime) -> int:
    # Exact, where `timestamp()` goes by floats.
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


STATISTICS = Listed(
    "statistics",
    """SELECT model, release, environment, model_version, code_version, clock, part, window_start,
    window_end, revision, statistic, role, column_name, kind, segment, value, rows, low, high, note
    FROM statistics""",
    "window_start",
    (
        ("epoch_us(window_start)", int),
        ("epoch_us(window_end)", int),
        ("coalesce(release, -1)", int),
        ("coalesce(environment, '')", str),
        ("clock", str),
        ("part", str),
        ("statistic", str),
        ("coalesce(role, '')", str),
        ("coalesce(column_name, '')", str),
        ("coalesce(kind, '')", str),
        ("coalesce(segment, '')", str),
    ),
)

WINDOWS = Listed(
    "windows",
    """SELECT model, release, environment, clock, part, window_start, window_end,
    max(revision) AS revision, max(window_rows) AS rows, max(window_errors) AS errors,
    count(*) AS statistics
    FROM statistics""",
    "window_start",
    (
        ("epoch_us(window_start)", int),
        ("epoch_us(window_end)", int),
        ("coalesce(release, -1)", int),
        ("coalesce(environment, '')", str),
        ("clock", str),
        ("part", str),
    ),
    "GROUP BY model, release, environment, clock, part, window_start, window_end",
)

SERIES = Listed(
    "series",
    """SELECT statistic, role, column_name, kind, segment, count(*) AS windows,
    min(window_start) AS first, max(window_start) AS last
    FROM statistics""",
    "window_start",
    (
        ("statistic", str),
        ("coalesce(role, '')", str),
        ("coalesce(column_name, '')", str),
        ("coalesce(kind, '')", str),
        ("coalesce(segment, '')", str),
    ),
    "GROUP BY statistic, role, column_name, kind, segment",
    ascending=True,
)

ALERTS = Listed(
    "alerts",
    """SELECT id, fingerprint, incident, status, step, model, release, environment, alias, rule,
    severity, action, statistic, role, column_name, kind, segment, threshold, value, rows,
    starts_at, ends_at, window_start, window_end, summary, verdict, verdict_because, onset,
    onset_earliest, onset_latest, decision_action, decision_from_release, decision_to_release,
    decision_generation, decision_proposal, decision_reason, decided_at, produced_at
    FROM alerts""",
    "produced_at",
    (("epoch_us(produced_at)", int), ("id", str)),
)

INCIDENTS = Listed(
    "incidents",
    """SELECT model, incident, min(starts_at) AS starts_at,
    arg_max(ends_at, (produced_at, id)) AS ends_at,
    arg_max(status, (produced_at, id)) AS status,
    arg_max(severity, (produced_at, id)) AS severity,
    arg_max(rule, (produced_at, id)) AS rule,
    arg_max(summary, (produced_at, id)) AS summary,
    arg_max(alias, (produced_at, id)) AS alias,
    arg_max(release, (produced_at, id)) AS release,
    arg_max(verdict, (produced_at, id)) AS verdict,
    arg_max(verdict_because, (produced_at, id)) AS verdict_because,
    arg_max(onset, (produced_at, id)) AS onset,
    arg_max(onset_earliest, (produced_at, id)) AS onset_earliest,
    arg_max(onset_latest, (produced_at, id)) AS onset_latest,
    arg_max(decision_action, decided_at) AS decision_action,
    arg_max(decision_to_release, decided_at) AS decision_to_release,
    arg_max(decision_generation, decided_at) AS decision_generation,
    arg_max(decision_proposal, decided_at) AS decision_proposal,
    arg_max(decision_reason, decided_at) AS decision_reason,
    max(decided_at) AS decided_at,
    arg_max(step = 'recovered', (produced_at, id))
        FILTER (WHERE step IN ('recovered', 'not_helped')) AS helped,
    count(*) AS alerts
    FROM alerts""",
    "starts_at",
    (("epoch_us(min(starts_at))", int), ("coalesce(incident, '')", str), ("model", str)),
    "GROUP BY model, incident",
)
