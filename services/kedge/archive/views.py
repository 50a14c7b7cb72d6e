"""The archive as SQL: views over its files, for any number of readers while it grows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from kedge.archive import comments, macros
from kedge.archive.datasets import SCHEMAS, prepare
from kedge.archive.layout import empty_name
from kedge.archive.snapshots import Catalog
from kedge.archive.store import Store, open_archive
from kedge.errors import KedgeError

FILES = "archived_files"
"""The SQL function that lists a dataset's files: `SELECT unnest(archived_files('outcomes'))`."""

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
    "statistic_revisions": "SELECT * FROM {statistics}",
    "statistics": """
        SELECT * FROM statistic_revisions
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
        FROM distinct_predictions AS p LEFT JOIN held
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
            FROM distinct_predictions
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
        ), effects AS (
            SELECT model, incident, arg_max(step = 'recovered', (produced_at, id)) AS helped
            FROM alerts WHERE step IN ('recovered', 'not_helped') GROUP BY model, incident
        )
        SELECT moved.time, moved.model, moved.alias, moved.from_release,
            moved.release AS to_release, moved.generation, moved.incident, moved.actor,
            moved.reason, decided.rule, decided.severity, decided.statistic, decided.role,
            decided.column_name, decided.kind, decided.segment, decided.value, decided.threshold,
            decided.starts_at, decided.window_end, decided.decided_at, decided.summary,
            decided.verdict, decided.verdict_because, decided.onset, decided.onset_earliest,
            decided.onset_latest, decided.decision_proposal, effects.helped
        FROM releases AS moved
        LEFT JOIN decided ON moved.incident = decided.incident AND moved.model = decided.model
        LEFT JOIN effects ON moved.incident = effects.incident AND moved.model = effects.model
        WHERE moved.event = 'alias_moved' AND moved.incident IS NOT NULL""",
}
# All files that count, whatever columns each of them has.
_SOURCES = {
    name: f"read_parquet({FILES}('{name}'), union_by_name = true, hive_partitioning = false)"
    for name in SCHEMAS
}
VIEWS = tuple(_VIEWS)
"""Names of the views."""


def connect(
    where: Path | str, *, confined: bool = False, memory: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own with a view for each thing that was logged, and macros to ask with.

    The views read the archive's files at each query: what was archived after connecting is there,
    and no reader ever locks out another or the archiver. Times are shown in UTC.

    Args:
        where: the archive's folder or URL. If there is none yet, its empty folders are made.
        confined: let no query read or write any other file, read a variable of Python, or change
            a setting. What somebody else wrote is not safe to run by this alone: see
            `kedge.archive.confinement`.
        memory: MiB that DuckDB may have for its work, and then it keeps nothing on the disk; most
            of the machine's memory by default.

    Raises:
        KedgeError: the archive can't be made there.

    >>> connect("archive").sql("SELECT count(*) FROM predictions")  # doctest: +SKIP
    """
    store = open_archive(where)
    try:
        prepare(store)
    except OSError as error:
        raise KedgeError(
            f"no archive can be made at {store.url}: {error.strerror or error}. "
            "KEDGE_ARCHIVE__URL says where it lies."
        ) from error
    connection = duckdb.connect(
        config={
            # Nothing is fetched from the network because a query named it.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": not confined,
        }
    )
    connection.execute("SET TimeZone = 'UTC'")
    # Files never change under their names: their footers need to be read only once.
    connection.execute("SET parquet_metadata_cache = true")
    store.attach(connection)
    # Asked anew for each query. (A function of Python's is asked where a constant is wanted.)
    connection.create_function(FILES, _lister(store), ["VARCHAR"], "VARCHAR[]")
    if memory is not None:
        connection.execute(f"SET memory_limit = '{memory}MiB'")
        connection.execute("SET temp_directory = ''")
    if confined:
        allowed = ", ".join(_quoted(each) for each in {store.url, store.pattern("").rstrip("/")})
        connection.execute(f"SET allowed_directories = [{allowed}]")
        connection.execute("SET enable_external_access = false")
    for name, query in _VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {query.format(**_SOURCES)}")
        connection.execute(f"COMMENT ON VIEW {name} IS {_quoted(comments.VIEWS[name])}")
        for column in connection.sql(f"FROM {name} LIMIT 0").columns:
            comment = comments.of_column(name, column)
            connection.execute(f"COMMENT ON COLUMN {name}.{column} IS {_quoted(comment)}")
    for statement in macros.statements():
        connection.execute(statement)
    if confined:
        connection.execute("SET lock_configuration = true")
    return connection


def _lister(store: Store) -> Callable[[str], list[str]]:
    catalog = Catalog(store)
    # A query may ask several times, and an object store takes its time to answer.
    known: dict[str, tuple[float, list[str]]] = {}

    def archived_files(dataset: str) -> list[str]:
        if dataset not in SCHEMAS:
            raise ValueError(f"no dataset is called {dataset!r}: {', '.join(SCHEMAS)}")
        at, patterns = known.get(dataset, (-math.inf, []))
        if time.monotonic() - at >= store.poll:
            names = [empty_name(dataset, SCHEMAS[dataset]), *catalog.files(dataset)]
            patterns = [store.pattern(name) for name in names]
            known[dataset] = time.monotonic(), patterns
        return patterns

    return archived_files


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
