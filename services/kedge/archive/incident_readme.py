"""What the file of an incident says of itself: views on the evidence, and queries to begin with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kedge.archive.incident_file import IncidentFile

VIEWS: Final = (
    (
        "versions",
        """SELECT release, model_version, code_version, time AS made_at, actor, reason,
            reference_rows, signature
        FROM releases WHERE event = 'release_made'""",
        "Which model version and code version each release pairs",
    ),
    (
        "decisions",
        """SELECT * FROM alerts WHERE decision_action IS NOT NULL""",
        "Alerts on which something was decided, with what and why",
    ),
    (
        "evidence",
        """SELECT id AS alert, incident, rule, statistic, column_name, threshold,
            unnest(evidence, recursive := true)
        FROM alerts""",
        "What alerts were compared with: the same statistic in earlier windows and releases",
    ),
)
"""Name, query and comment of the views that only such a file has."""

_QUERIES: Final = (
    (
        "What fired, and what was decided",
        """SELECT status, rule, summary, decision_action, decision_reason, produced_at
        FROM alerts WHERE incident = '{incident}' ORDER BY produced_at""",
    ),
    ("What it was compared with", "FROM evidence ORDER BY alert, window_start"),
    (
        "The statistic that fired, window by window",
        """WITH fired AS (
            SELECT DISTINCT statistic, role, column_name, kind, segment, threshold
            FROM alerts WHERE incident = '{incident}'
        )
        SELECT s.window_start, s.release, s.value, s.rows, fired.threshold
        FROM statistics AS s JOIN fired
        ON s.statistic = fired.statistic AND s.role IS NOT DISTINCT FROM fired.role
        AND s.column_name IS NOT DISTINCT FROM fired.column_name
        AND s.kind IS NOT DISTINCT FROM fired.kind
        AND s.segment IS NOT DISTINCT FROM fired.segment
        ORDER BY ALL""",
    ),
    (
        "What is missing, before the onset and since",
        """SELECT role, column_name, kind,
            count(*) FILTER (event_time < make_timestamptz({onset})) AS before,
            count(*) FILTER (event_time >= make_timestamptz({onset})) AS since
        FROM missing GROUP BY ALL ORDER BY since - before DESC""",
    ),
    (
        "Traffic and errors of each release, minute by minute",
        """SELECT per(1, event_time) AS minute, release, count(*) AS predictions,
            count(error) AS errors
        FROM distinct_predictions GROUP BY ALL ORDER BY ALL""",
    ),
    (
        "Which release served when",
        """SELECT time, event, alias, from_release, release, actor, reason, incident
        FROM releases ORDER BY time""",
    ),
    ("What each release is made of", "FROM versions ORDER BY release"),
    (
        "Predictions with their truth",
        "FROM scored WHERE truth_type IS NOT NULL ORDER BY event_time LIMIT 100",
    ),
    (
        "Every table, view and column explained",
        """SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
        WHERE NOT internal ORDER BY table_name, column_index""",
    ),
)

Line = tuple[str, str, str | None]
"""Topic, text, and a query where there is one."""


def readme(written: IncidentFile, *, values: bool) -> list[Line]:
    """The rows of the table `readme`."""
    counted = ", ".join(f"{count:,} of {table}" for table, count in written.rows.items())
    about = (
        f"Incident {written.incident} of model {written.model} in {written.environment}. "
        f"Onset {_utc(written.onset)}; predictions from {_utc(written.since)} to "
        f"{_utc(written.until)}. Rows: {counted}. Times are in UTC: SET TimeZone = 'UTC'."
    )
    whole = (
        f"A sample: {written.left_out:,} predictions were too many and are not here. Their ids "
        "decided, so rates are as they were and counts are not."
        if written.left_out
        else "Every prediction of that time is here."
    )
    privacy = (
        "The values of features, outputs and truths are here as they were logged, and ids too. "
        "Who may see those may see this file; `--no-values` writes one without."
        if values
        else "The values of features, outputs and truths were left out. Ids, names of features and "
        "what was missing are here; statistics may name categories."
    )
    filled = {"onset": written.onset, "incident": written.incident.replace("'", "''")}
    queries = [("query", text, query.format(**filled)) for text, query in _QUERIES]
    return [("about", about, None), ("whole", whole, None), ("privacy", privacy, None), *queries]


def _utc(micros: int) -> str:
    return f"{datetime.fromtimestamp(micros / 1e6, UTC):%Y-%m-%d %H:%M:%SZ}"
