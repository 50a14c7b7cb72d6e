"""The archive as SQL: views over its files, for any number of readers while it grows."""

from __future__ import annotations

from pathlib import Path

import duckdb

from kedge.archive.datasets import SCHEMAS, prepare
from kedge.archive.disk import Disk
from kedge.errors import KedgeError

# What is read first counts: the views below the datasets stand on them.
_VIEWS = {
    "predictions": "SELECT * FROM {predictions}",
    # Of what a row is told apart by, the time lets a query for some days read these days only.
    "distinct_predictions": """
        SELECT * FROM predictions
        QUALIFY row_number() OVER (
            PARTITION BY model, model_version, code_version, release, environment, id, event_time
            ORDER BY kafka_partition, kafka_offset
        ) = 1""",
    "outcomes": "SELECT * FROM {outcomes}",
    "statistics": """
        SELECT * FROM {statistics}
        QUALIFY rank() OVER (
            PARTITION BY model, release, environment, clock, part, window_start, window_end
            ORDER BY revision DESC, kafka_offset DESC
        ) = 1""",
    "alerts": """
        SELECT * FROM {alerts}
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY kafka_partition, kafka_offset) = 1""",
    "releases": """
        SELECT * FROM {releases}
        QUALIFY row_number() OVER (PARTITION BY id ORDER BY kafka_partition, kafka_offset) = 1""",
    "scored": """
        WITH held AS (
            SELECT prediction_id, model, environment, arg_max(
                {{known_at: known_at, truth: truth, truth_text: truth_text,
                  truth_vector: truth_vector, truth_type: truth_type}},
                (known_at, kafka_offset)
            ) AS latest
            FROM outcomes GROUP BY prediction_id, model, environment
        )
        SELECT p.*, unnest(latest)
        FROM predictions AS p LEFT JOIN held
        ON p.id = held.prediction_id
        AND p.model = held.model AND p.environment = held.environment""",
    "missing": """
        WITH cells AS (
            SELECT *, unnest(list_concat(
                [{{role: 'feature', name: name, kind: 'imputed'}} FOR name IN imputed],
                [{{role: 'feature', name: e.key, kind: e.value}} FOR e IN map_entries(missing)],
                [{{role: 'output', name: e.key, kind: e.value}}
                    FOR e IN map_entries(missing_outputs)],
                [{{role: 'feature', name: name, kind: 'wrong_type'}}
                    FOR name IN map_keys(untyped) IF NOT list_contains(imputed, name)],
                [{{role: 'output', name: name, kind: 'wrong_type'}}
                    FOR name IN map_keys(untyped_outputs)
                    IF missing_outputs[name] IS DISTINCT FROM 'imputed']
            )) AS cell
            FROM predictions
        )
        SELECT id, event_time, model, model_version, code_version, release, environment,
            cell.role AS role, cell.name AS column_name, cell.kind AS kind
        FROM cells""",
    "rollbacks": """
        WITH decided AS (
            SELECT * FROM alerts WHERE decision_action = 'rolled_back'
            QUALIFY row_number() OVER (
                PARTITION BY model, alias, incident ORDER BY decided_at, produced_at, id
            ) = 1
        )
        SELECT moved.time, moved.model, moved.alias, moved.from_release,
            moved.release AS to_release, moved.generation, moved.incident, moved.actor,
            moved.reason, decided.rule, decided.severity, decided.statistic, decided.role,
            decided.column_name, decided.kind, decided.segment, decided.value, decided.threshold,
            decided.starts_at, decided.window_end, decided.decided_at, decided.summary
        FROM releases AS moved LEFT JOIN decided
        ON moved.incident = decided.incident AND moved.model = decided.model
        WHERE moved.event = 'alias_moved' AND moved.incident IS NOT NULL""",
}
VIEWS = tuple(_VIEWS)
"""Names of the views."""

_COMMENTS = {
    "predictions": "Every logged inference, as often as it came; features.<name> and "
    "outputs.<name> hold the values",
    "distinct_predictions": "Every logged inference once, however often it was sent",
    "outcomes": "The truth about predictions as it came, corrections among it",
    "scored": "Predictions with the truth that was known last, null where there is none yet",
    "missing": "One row for each feature or output that a prediction has no usable value of",
    "statistics": "One row for each statistic of a window, as last revised",
    "alerts": "Every change of an alert, with its evidence and what was decided",
    "releases": "Releases that were made and aliases that were moved",
    "rollbacks": "Moves of an alias that answered an incident, with the alert that led to them",
}

_COLUMN_COMMENTS = {
    "predictions.id": "Name of the prediction; its outcome names it as prediction_id",
    "predictions.event_time": "When it was made; windows are on this time",
    "predictions.release": "Number of the release, which pairs model_version and code_version",
    "predictions.features": "What the model was given; of the type in the signature, else of the "
    "first value that came",
    "predictions.outputs": "What the model answered",
    "predictions.imputed": "Names of the features that the inference code filled in",
    "predictions.missing": "Feature to why it has no value: absent, null, nan, empty",
    "predictions.missing_outputs": "The same of the outputs",
    "predictions.untyped": "Feature to its value as text where it is of another type than its "
    "column",
    "predictions.untyped_outputs": "The same of the outputs",
    "predictions.latency_ms": "How long the inference took",
    "predictions.error": "Type of the exception when the inference raised",
    "outcomes.known_at": "When the truth became known; the latest one holds",
    "outcomes.truth": "The truth as a number; true is 1, false is 0",
    "outcomes.truth_text": "The truth as text, also of numbers: what classes are compared by",
    "outcomes.truth_type": "number, boolean, text, vector or null",
    "scored.truth": "The truth as a number; true is 1, false is 0; see truth_type",
    "scored.truth_type": "Null where no outcome came yet; 'null' where it says that there is none",
    "missing.column_name": "The feature or output",
    "missing.kind": "absent, null, nan, empty, imputed or wrong_type",
    "statistics.part": "What it is of: predictions, or performance for those with an outcome; "
    "the parts of a window are revised apart",
    "statistics.statistic": "Which one: missing_rate, psi, js_distance, …",
    "statistics.column_name": "Which feature or output it is about; null for the whole window",
    "statistics.kind": "For a missing rate the kind of missing; null for all together",
    "statistics.segment": "Which rows of the window, as feature=value; null for all",
    "statistics.rows": "Rows of the window that it is computed from",
    "statistics.window_rows": "Predictions in the window",
    "statistics.clock": "Which time the window is of: event, or broker for conservation",
    "statistics.revision": "0 at first, one more each time that late events changed it",
    "alerts.incident": "One stretch of firing; rollbacks name it",
    "alerts.evidence": "The same statistic in earlier windows and releases",
    "alerts.decision_action": "rolled_back, refused or proposed; null until there is a decision",
    "releases.event": "release_made or alias_moved",
    "releases.release": "The release that was made, or that the alias now points to",
    "releases.from_release": "The release that the alias pointed to",
    "releases.incident": "The incident that a rollback answers",
    "releases.signature": "Features and outputs of a release that was made",
}


def connect(path: Path | str, *, confined: bool = False) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with a view for each thing that was logged.

    The views read the archive's files at each query: what was archived after connecting is there,
    and no reader ever locks out another or the archiver. Times are shown in UTC.

    Args:
        path: the archive. If there is none yet, its empty folders are made.
        confined: let no query read or write any other file, nor change a setting.

    Raises:
        KedgeError: the archive can't be made at that path.

    >>> connect("archive").sql("SELECT count(*) FROM predictions")  # doctest: +SKIP
    """
    root = Path(path).absolute()
    try:
        prepare(Disk(root))
    except OSError as error:
        raise KedgeError(
            f"no archive can be made at {root}: {error.strerror}. "
            "KEDGE_ARCHIVE__PATH says where it lies."
        ) from error
    connection = duckdb.connect(
        config={
            # Nothing is fetched from the network because a query named it.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    # Files never change under their names: their footers need to be read only once.
    connection.execute("SET parquet_metadata_cache = true")
    if confined:
        allowed = ", ".join(_quoted(each) for each in {str(root), _literal(root)})
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    for name, query in _VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {query.format(**_sources(root))}")
        connection.execute(f"COMMENT ON VIEW {name} IS {_quoted(_COMMENTS[name])}")
    for column, comment in _COLUMN_COMMENTS.items():
        connection.execute(f"COMMENT ON COLUMN {column} IS {_quoted(comment)}")
    if confined:
        connection.execute("SET lock_configuration = true")
    return connection


def _sources(root: Path) -> dict[str, str]:
    """What reads all files of each dataset, whatever columns each of them has."""
    return {
        name: f"read_parquet({_quoted(f'{_literal(root)}/{name}/**/*.parquet')}, "
        "union_by_name = true, hive_partitioning = false)"
        for name in SCHEMAS
    }


def _literal(root: Path) -> str:
    """`root` as a pattern that matches nothing else: its own name may look like one."""
    return "".join(f"[{letter}]" if letter in "[*?" else letter for letter in str(root))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
