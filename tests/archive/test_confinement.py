"""Hostile SQL, and what is on the disk afterwards; and honest SQL, which all goes through."""

import contextlib
import os
import re
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedge.archive import connect
from kedge.archive.confinement import (
    DEEPEST,
    HARMLESS,
    LONGEST,
    REFUSED_FUNCTIONS,
    RefusedQueryError,
    checked,
)

COOKBOOK = Path(__file__).parents[2] / "docs" / "cookbook.md"

# {inside} is a name in the archive, {outside} one beside it, {secret} a file that is there.
HOSTILE = [
    # Writing, plainly and where a SELECT may stand.
    "COPY (SELECT 1) TO '{inside}.csv'",
    "COPY (SELECT 1) TO '{outside}.parquet' (FORMAT parquet)",
    "COPY predictions TO '{inside}' (FORMAT parquet, PARTITION_BY (model))",
    "WITH a AS (COPY (SELECT 1) TO '{inside}.csv') FROM a",
    "WITH a AS (SELECT 1), b AS (COPY (FROM a) TO '{inside}.csv') SELECT 1",
    "FROM (WITH a AS (COPY (SELECT 1) TO '{inside}.csv') FROM a)",
    "SELECT (WITH a AS (COPY (SELECT 1) TO '{inside}.csv') SELECT 1)",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{inside}.csv'",
    "EXPLAIN ANALYZE WITH a AS (COPY (SELECT 1) TO '{inside}.csv') FROM a",
    "EXPLAIN (ANALYZE) COPY (SELECT 1) TO '{inside}.csv'",
    "explain/**/analyze/**/copy (SELECT 1) TO '{inside}.csv'",
    "EXPLAIN ANALYZE SELECT 1; COPY (SELECT 1) TO '{inside}.csv'",
    "SELECT 1; COPY (SELECT 1) TO '{inside}.csv'",
    ";;COPY (SELECT 1) TO '{inside}.csv';;",
    "-- SELECT 1\nCOPY (SELECT 1) TO '{inside}.csv'",
    "/* SELECT */ COPY (SELECT 1) TO '{inside}.csv'",
    "PREPARE p AS COPY (SELECT 1) TO '{inside}.csv'",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPORT DATABASE '{inside}'",
    "IMPORT DATABASE '{inside}'",
    "COPY FROM DATABASE memory TO other",
    "COPY predictions FROM '{secret}'",
    "ATTACH '{inside}.duckdb' AS other",
    "ATTACH '{inside}.duckdb' AS other; CREATE TABLE other.t AS SELECT 1",
    "DETACH memory",
    "USE memory",
    "CREATE TABLE t AS SELECT 1",
    "CREATE TEMP TABLE t AS SELECT 1",
    "CREATE OR REPLACE VIEW predictions AS SELECT 1",
    "CREATE MACRO psi(a, b) AS 0",
    "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE TRIGGER t AFTER INSERT ON x EXECUTE SELECT 1",
    "DROP VIEW predictions",
    "ALTER VIEW predictions RENAME TO p",
    "COMMENT ON VIEW predictions IS 'mine'",
    "INSERT INTO predictions VALUES (1)",
    "WITH a AS (INSERT INTO predictions VALUES (1) RETURNING *) FROM a",
    "WITH a AS (DELETE FROM predictions RETURNING *) FROM a",
    "WITH a AS (UPDATE predictions SET id = '' RETURNING *) FROM a",
    "DELETE FROM predictions",
    "UPDATE predictions SET id = ''",
    "TRUNCATE predictions",
    "MERGE INTO predictions USING outcomes ON true WHEN MATCHED THEN DELETE",
    "BEGIN",
    "CHECKPOINT",
    "FROM checkpoint()",
    "FROM force_checkpoint()",
    "VACUUM",
    "ANALYZE",
    # Code and settings.
    "INSTALL httpfs",
    "LOAD '{secret}'",
    "FORCE INSTALL httpfs FROM 'http://127.0.0.1:9/'",
    "UPDATE EXTENSIONS",
    "SET enable_external_access = true",
    "SET GLOBAL allowed_directories = ['/']",
    "SET VARIABLE x = 1",
    "RESET lock_configuration",
    "PRAGMA enable_profiling",
    "PRAGMA database_list",
    "CALL enable_logging()",
    "FROM enable_logging(storage = 'file', storage_path = '{inside}')",
    "FROM enable_profiling()",
    "FROM disable_optimizer()",
    "SELECT write_log('x', level := 'error')",
    "SELECT setval('s', 1)",
    "SELECT nextval('s')",
    # Reading what is not in the views.
    "FROM '{secret}'",
    'FROM "{secret}"',
    "FROM '{inside}/../../secret.csv'",
    "FROM secret.csv",
    "SELECT (FROM '{secret}')",
    "FROM predictions WHERE id IN (FROM '{secret}')",
    "FROM predictions JOIN '{secret}' ON true",
    "WITH a AS (FROM '{secret}') FROM a",
    "DESCRIBE TABLE '{secret}'",
    "SUMMARIZE '{secret}'",
    "DESCRIBE SELECT * FROM read_csv('{secret}')",
    "FROM read_csv('{secret}')",
    "FROM read_csv_auto(['{secret}'])",
    "FROM sniff_csv('{secret}')",
    "FROM read_text('{secret}')",
    "FROM READ_TEXT('{secret}')",
    "FROM \"read_text\"('{secret}')",
    "FROM system.main.read_blob('{secret}')",
    "FROM read_json('{secret}')",
    "FROM read_ndjson_objects('{secret}')",
    "FROM read_parquet('{inside}/*.parquet')",
    "FROM parquet_scan('{secret}')",
    "FROM parquet_metadata('{secret}')",
    "FROM read_duckdb('{secret}')",
    "FROM glob('/*')",
    "FROM predictions, LATERAL (FROM glob('/*'))",
    "FROM query('COPY (SELECT 1) TO ''{inside}.csv''')",
    "FROM query_table('{secret}')",
    "FROM query_table(['predictions'])",
    "FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT json_serialize_plan('FROM read_csv(''{secret}'')')",
    "FROM 'http://127.0.0.1:9/x.csv'",
    "FROM read_csv('s3://bucket/x.csv')",
    "FROM sqlite_scan('{secret}', 't')",
    "SELECT getenv('HOME')",
    "SELECT current_setting('allowed_directories')",
    "FROM duckdb_settings()",
    "FROM pg_catalog.pg_settings",
    "SHOW SETTINGS",
    "SHOW memory_limit",
    "FROM duckdb_secrets()",
    "FROM which_secret('s3://a', 's3')",
    "FROM duckdb_logs",
    "FROM duckdb_temporary_files()",
    "FROM python_map_function()",
    "FROM pandas_scan(1)",
    "FROM arrow_scan(1, 2, 3)",
    "FROM seq_scan(1)",
    "SELECT __internal_decompress_string(1)",
    # What is too much for a parser, or nothing at all.
    "FROM (" * 20_000 + "SELECT 1" + ")" * 20_000,
    "SELECT " + "(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1),
    "SELECT " + "+".join("1" * 900),
    "SELECT '" + "x" * LONGEST + "'",
    "",
    " ; -- nothing",
]

HONEST = [
    "FROM predictions",
    "FROM memory.main.predictions;",
    "TABLE outcomes",
    "VALUES (1), (2)",
    "SELECT 1 -- with a remark",
    "/* first */ SELECT 1;",
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 9) FROM n",
    "DESCRIBE predictions",
    "DESCRIBE SELECT release FROM scored",
    "SUMMARIZE statistics",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "EXPLAIN FROM predictions",
    "-- how\nEXPLAIN ANALYZE SELECT count(*) FROM predictions;",
    "FROM at_release('flights', 1)",
    "SELECT unnest([1, 2]), now(), random(), uuid(), today()",
    "SELECT * FROM range(3) AS a, generate_series(1, 2) AS b, LATERAL (SELECT a.range) AS c",
    "FROM json_each('{\"a\": 1}')",
    "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'scored'",
    "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal",
    "SELECT function_name, parameters, comment FROM duckdb_functions() WHERE NOT internal",
    "FROM information_schema.tables",
    "FROM statistics PIVOT (avg(value) FOR statistic IN ('psi', 'ks'))",
    "UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b",
    "SELECT id FROM predictions UNION ALL SELECT prediction_id FROM outcomes ORDER BY ALL LIMIT 5%",
    "SELECT [x * 2 FOR x IN [1, 2] IF x > 1], list_transform([1], lambda x: x + 1), {'a': 1}.a",
    (
        "SELECT id, sum(release) OVER (PARTITION BY model ORDER BY event_time ROWS 3 PRECEDING) "
        "FROM predictions QUALIFY row_number() OVER () = 1"
    ),
    (
        "SELECT DISTINCT ON (model) model, CAST('1' AS DECIMAL(9, 2)), TRY_CAST('a' AS INTEGER), "
        "INTERVAL 1 DAY, DATE '2020-01-01' FROM predictions TABLESAMPLE 10% ORDER BY model DESC"
    ),
    "FROM predictions AS p ASOF JOIN outcomes AS o ON p.event_time >= o.known_at",
    (
        "SELECT model, count(*) FILTER (release > 1) FROM predictions "
        "GROUP BY GROUPING SETS ((model), ()) HAVING count(*) >= 0"
    ),
    "SELECT ';COPY (SELECT 1) TO ''x'''",
    'SELECT 1 AS "getenv(1)"',
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with an archive and a secret."""
    root = tmp_path_factory.mktemp("confined")
    (root / "secret.csv").write_text("a\n42\n")
    with connect(root / "archive"):
        return root


@pytest.fixture(scope="module")
def connection(root):
    with connect(root / "archive", confined=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def _elsewhere(root, monkeypatch):
    monkeypatch.chdir(root)


def _on_disk(root):
    return {
        Path(folder, name): Path(folder, name).stat().st_mtime_ns
        for folder, folders, names in os.walk(root)
        for name in [*folders, *names]
    }


def _filled(query, root):
    names = {
        "inside": root / "archive" / "x",
        "outside": root / "x",
        "secret": root / "secret.csv",
    }
    for name, path in names.items():
        query = query.replace(f"{{{name}}}", str(path))
    return query


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:60])
def test_what_does_more_than_read_is_refused_and_leaves_nothing(root, connection, query):
    before = _on_disk(root)
    with pytest.raises((RefusedQueryError, duckdb.ParserException, duckdb.CatalogException)):
        connection.sql(checked(connection, _filled(query, root))).fetchall()
    assert _on_disk(root) == before
    assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(0,)]


def test_the_archive_could_be_written_if_it_were_not_refused(root, connection):
    """What the settings of a connection do not hold back: why there is a list."""
    connection.sql(f"COPY (SELECT 1) TO '{root}/archive/x.csv'")
    (root / "archive" / "x.csv").unlink()


@pytest.mark.parametrize(
    "query", HONEST + re.findall(r"```sql\n(.*?)```", COOKBOOK.read_text(), re.DOTALL)
)
def test_what_reads_goes_through(connection, query):
    # The cookbook's features are of its own archive: what they bind to is not the matter here.
    allowed = checked(connection, query)
    if query in HONEST:
        connection.sql(allowed).fetchall()


def test_a_variable_of_python_is_no_table(connection):
    secret = [{"a": 42}]  # noqa: F841 - the query must not find it
    with pytest.raises(duckdb.CatalogException, match="does not exist"):
        connection.sql(checked(connection, "FROM secret")).fetchall()


def test_a_refusal_names_what_and_what_would_be_right(connection):
    with pytest.raises(RefusedQueryError, match=r"COPY is refused: .* SELECT") as refused:
        checked(connection, "COPY (SELECT 1) TO 'x'")
    assert refused.value.refused == "COPY"
    with pytest.raises(RefusedQueryError, match="one statement at a time"):
        checked(connection, "SELECT 1; SELECT 2")
    with pytest.raises(RefusedQueryError, match=r"ON column IN"):
        checked(connection, "PIVOT statistics ON statistic USING avg(value)")


def test_every_function_of_more_than_its_arguments_was_looked_at(connection):
    """A DuckDB that has a new one makes this fail, so that somebody looks."""
    found = connection.sql(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'"
    ).fetchall()
    assert {name for (name,) in found} <= HARMLESS | REFUSED_FUNCTIONS


WORDS = st.sampled_from(
    "SELECT FROM WITH AS COPY TO ( ) , ; ' \" -- /* */ x x 'x.csv' EXPLAIN "  # noqa: SIM905
    "ANALYZE INSERT INTO VALUES 1 a read_csv getenv RETURNING * DELETE ATTACH UNION ALL JOIN ON "
    "PREPARE SET = predictions "
    "DESCRIBE PIVOT CREATE TABLE".split()
)


@settings(max_examples=150)
@given(words=st.lists(WORDS, max_size=14))
def test_no_words_in_any_order_write(root, connection, words):
    before = _on_disk(root)
    try:
        allowed = checked(connection, " ".join(words))
    except (RefusedQueryError, duckdb.Error):
        return
    with contextlib.suppress(duckdb.Error):
        connection.sql(allowed).fetchall()
    assert _on_disk(root) == before
