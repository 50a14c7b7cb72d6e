"""One incident as one file that DuckDB opens without Kedge: what was logged around its onset."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from kedge.archive import macros
from kedge.archive.incident_readme import VIEWS, readme
from kedge.errors import KedgeError

_EXTENT: Final = """
    SELECT incident, model, environment, epoch_us(min(starts_at)) AS onset,
        epoch_us(max(coalesce(ends_at, window_end))) AS end
    FROM alerts WHERE incident = $incident OR id = $incident GROUP BY ALL"""
_NEWEST: Final = """
    SELECT incident FROM alerts GROUP BY incident ORDER BY max(produced_at) DESC LIMIT 5"""

_TABLES: Final = {
    # Which of too many stay does not depend on what they say, and with one stay all its copies.
    "predictions": """
        SELECT * FROM (
            SELECT * {values} FROM predictions
            WHERE model = $model AND environment = $environment
                AND event_time >= make_timestamptz($since)
                AND event_time < make_timestamptz($until)
            ORDER BY hash(id), event_time, kafka_partition, kafka_offset LIMIT $most
        ) ORDER BY event_time, kafka_partition, kafka_offset""",
    "outcomes": """
        SELECT o.* {truths} FROM outcomes AS o SEMI JOIN incident_file.predictions AS p
        ON o.prediction_id = p.id
        WHERE o.model = $model AND o.environment = $environment
        ORDER BY known_at, kafka_partition, kafka_offset""",
    "statistics": """
        SELECT * FROM statistics WHERE model = $model AND environment = $environment
            AND window_end > make_timestamptz($since) AND window_start < make_timestamptz($until)
        ORDER BY window_start, release, statistic, column_name""",
    # Another rule's alert on the same model at that time is evidence too.
    "alerts": """
        SELECT * FROM alerts WHERE model = $model AND environment = $environment
            AND (incident = $incident OR (
                produced_at >= make_timestamptz($since) AND starts_at < make_timestamptz($until)))
        ORDER BY produced_at, id""",
    "releases": "SELECT * FROM releases WHERE model = $model ORDER BY time, id",
}
_PARAMETERS: Final = {
    "predictions": ("model", "environment", "since", "until", "most"),
    "outcomes": ("model", "environment"),
    "statistics": ("model", "environment", "since", "until"),
    "alerts": ("model", "environment", "incident", "since", "until"),
    "releases": ("model",),
}
_COUNT: Final = "SELECT count(*) FROM incident_file.{table}"
_NO_VALUES: Final = """REPLACE (
    NULL::INTEGER AS features, NULL::INTEGER AS outputs,
    map(map_keys(untyped), [NULL::VARCHAR FOR key IN map_keys(untyped)]) AS untyped,
    map(map_keys(untyped_outputs), [NULL::VARCHAR FOR key IN map_keys(untyped_outputs)])
        AS untyped_outputs)"""
_NO_TRUTHS: Final = """REPLACE (
    NULL::DOUBLE AS truth, NULL::VARCHAR AS truth_text, NULL::DOUBLE[] AS truth_vector)"""


@dataclass(frozen=True, slots=True)
class IncidentFile:
    """What was written.

    Attributes:
        path: of the file.
        incident: its id.
        model: whose incident it is.
        environment: where.
        onset: start of the first window over the threshold, microseconds since 1970 UTC.
        since: the first event time that is in it.
        until: the event time after the last.
        rows: by table.
        left_out: predictions that were too many.
        size: bytes.
    """

    path: Path
    incident: str
    model: str
    environment: str
    onset: int
    since: int
    until: int
    rows: dict[str, int]
    left_out: int
    size: int


def export_incident(
    archive: duckdb.DuckDBPyConnection,
    incident: str,
    path: Path,
    *,
    before: int,
    after: int,
    most: int,
    values: bool = True,
) -> IncidentFile:
    """Write what is known of an incident into a DuckDB file, whole or not at all.

    Args:
        archive: as `kedge.archive.connect` gives it.
        incident: its id, or that of one of its alerts.
        path: of the file; one that is there is replaced.
        before: microseconds of event time before the onset.
        after: microseconds of event time after the last window over the threshold.
        most: predictions; of more, a sample that their ids alone decide.
        values: with the values of features, outputs and truths; without them, what was missing and
            why is still there.

    Raises:
        KedgeError: there is no such incident, or the file can't be written.
    """
    found = archive.execute(_EXTENT, {"incident": incident}).fetchone()
    if found is None:
        newest = [f"`{name}`" for (name,) in archive.execute(_NEWEST).fetchall()]
        hint = f"the newest are {', '.join(newest)}" if newest else "it has none at all"
        raise KedgeError(f"the archive has no incident `{incident}`; {hint}")
    name, model, environment, onset, end = found
    given = {
        "incident": name,
        "model": model,
        "environment": environment,
        "since": onset - before,
        "until": end + after,
        "most": most,
    }
    aside = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        rows = _copy(archive, aside, given, values=values)
        left_out = _all_predictions(archive, given) - rows["predictions"]
        written = IncidentFile(
            path, name, model, environment, onset, given["since"], given["until"], rows,
            left_out, 0,
        )  # fmt: skip
        _explain(archive, aside, written, values=values)
        _publish(aside, path)
    except (duckdb.IOException, OSError) as error:
        raise KedgeError(f"{path} can't be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
    return replace(written, size=path.stat().st_size)


def _copy(
    archive: duckdb.DuckDBPyConnection, aside: Path, given: dict[str, Any], *, values: bool
) -> dict[str, int]:
    """The rows as tables of a new file; how many there are of each."""
    left_out = {
        "values": "" if values else _NO_VALUES,
        "truths": "" if values else _NO_TRUTHS,
    }
    rows = {}
    archive.execute(f"ATTACH {_quoted(str(aside))} AS incident_file")
    try:
        for table, query in _TABLES.items():
            parameters = {each: given[each] for each in _PARAMETERS[table]}
            chosen = query.format(**left_out)
            archive.execute(f"CREATE TABLE incident_file.{table} AS {chosen}", parameters)
            ((rows[table],),) = archive.sql(_COUNT.format(table=table)).fetchall()
    finally:
        archive.execute("DETACH incident_file")
    return rows


def _all_predictions(archive: duckdb.DuckDBPyConnection, given: dict[str, Any]) -> int:
    parameters = {each: given[each] for each in ("model", "environment", "since", "until")}
    row = archive.execute(
        """SELECT count(*) FROM predictions WHERE model = $model AND environment = $environment
        AND event_time >= make_timestamptz($since) AND event_time < make_timestamptz($until)""",
        parameters,
    ).fetchone()
    assert row is not None, "an aggregate has one row"
    return int(row[0])


def _explain(
    archive: duckdb.DuckDBPyConnection, aside: Path, written: IncidentFile, *, values: bool
) -> None:
    """The archive's own views and macros, comments, and the table to read first."""
    # All but the one that reads the archive's files: the file has the newest revisions.
    views = archive.execute(
        "SELECT view_name, sql, comment FROM duckdb_views() "
        "WHERE NOT internal AND view_name <> 'statistic_revisions' ORDER BY view_oid"
    ).fetchall()
    columns = archive.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns() "
        "WHERE NOT internal AND table_name <> 'statistic_revisions'"
    ).fetchall()
    with duckdb.connect(str(aside)) as file:
        for view, sql, _comment in views:
            if view not in _TABLES:
                file.execute(sql)
        for name, query, comment in VIEWS:
            file.execute(f"CREATE VIEW {name} AS {query}")
            file.execute(f"COMMENT ON VIEW {name} IS {_quoted(comment)}")
        for statement in macros.statements():
            file.execute(statement)
        for view, _sql, comment in views:
            kind = "TABLE" if view in _TABLES else "VIEW"
            file.execute(f"COMMENT ON {kind} {view} IS {_quoted(comment or '')}")
        for view, column, comment in columns:
            file.execute(f'COMMENT ON COLUMN {view}."{column}" IS {_quoted(comment or "")}')
        file.execute("CREATE TABLE readme (topic VARCHAR, says VARCHAR, query VARCHAR)")
        file.execute("COMMENT ON TABLE readme IS 'What this file is, and queries to begin with'")
        file.executemany("INSERT INTO readme VALUES (?, ?, ?)", readme(written, values=values))


def _publish(aside: Path, path: Path) -> None:
    """Give the file its name once it is safe on the disk."""
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(aside, path)  # noqa: PTH105 - the step on the disk by its name


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
