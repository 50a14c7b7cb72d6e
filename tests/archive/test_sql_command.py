"""`kedge sql`, as a user calls it."""

import csv
import io
import json
import sys

import duckdb
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from kedge.archive import VIEWS, ColumnLedger, Disk, PartitionWriter
from kedge.archive.ad_hoc import FailedQueryError
from kedge.archive.confinement import RefusedQueryError
from kedge.cli import app, main
from logged import START, batch


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose archive has three predictions."""
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))
    disk = Disk(tmp_path / "archive")
    writer = PartitionWriter(disk, ColumnLedger(disk), "predictions", "id", 0)
    writer.resume(0)
    rows = [
        {
            "id": name,
            "time": time,
            "features": {"x": value},
            "filled": set(),
            "outputs": {"output": True},
            "latency": None,
            "error": None,
        }
        for name, value, time in (
            ("a", 1.5, START),
            ("b", None, START),
            ("c", float("nan"), 2**62),
        )
    ]
    writer.add(0, batch(rows))
    assert writer.flush()
    return tmp_path


def sql(*arguments, stdin=""):
    result = CliRunner().invoke(app, ["sql", *arguments], input=stdin)
    if result.exception is not None:
        raise result.exception
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.usefixtures("home")
class TestFormats:
    QUERY = "SELECT id, event_time, features.x, missing FROM predictions ORDER BY id"

    @pytest.mark.parametrize("option", [["--json"], ["--format", "json"]])
    def test_json(self, option):
        first, second, third = json.loads(sql(self.QUERY, *option))
        assert first == {
            "id": "a",
            "event_time": "2013-02-01T00:00:00+00:00",
            "x": 1.5,
            "missing": {},
        }
        assert (second["x"], second["missing"]) == (None, {"x": "null"})
        # Neither JSON nor Python has what these are.
        assert third["x"] is None
        assert third["event_time"].startswith("148108-")

    def test_json_of_nothing(self):
        assert json.loads(sql("SELECT id FROM predictions WHERE false", "--json")) == []

    def test_csv(self):
        header, first, second, third = csv.reader(io.StringIO(sql(self.QUERY, "--format", "csv")))
        assert header == ["id", "event_time", "x", "missing"]
        assert first == ["a", "2013-02-01T00:00:00+00:00", "1.5", "{}"]
        assert second[2:] == ["", '{"x": "null"}']
        assert third[2] == "nan"

    def test_table_says_what_it_leaves_out(self):
        shown = sql("SELECT range AS n FROM range(1234)")
        assert " 99 " in shown
        assert "│ 100" not in shown
        assert "first 100 rows; there are more" in shown

    def test_table_shows_markup_as_it_is(self):
        assert "[red]x" in sql("SELECT '[red]x' AS a")

    def test_query_from_standard_input(self):
        assert json.loads(sql("--json", stdin="SELECT count(*) AS n FROM predictions")) == [
            {"n": 3}
        ]

    def test_with_files_a_query_may_read_and_make_what_it_likes(self, home):
        (home / "labels.csv").write_text("id,label\na,42\n")
        query = f"FROM predictions JOIN '{home}/labels.csv' USING (id) SELECT label"
        assert json.loads(sql(query, "--files", "--json")) == [{"label": 42}]
        assert "│     1 │" in sql("CREATE TEMP TABLE t AS SELECT 42", "--files")
        with pytest.raises(RefusedQueryError, match=r"labels\.csv"):
            sql(query)

    def test_an_endless_table_is_read_no_further_than_it_is_shown(self):
        assert " 99 " in sql("FROM range(1_000_000_000_000)")

    @pytest.mark.parametrize("name", ["rows.csv", "rows.json", "rows.PARQUET"])
    def test_a_file_has_the_rows_in_the_format_that_its_name_says(self, home, name):
        path = home / name
        path.write_text("what was there before")
        assert sql(self.QUERY, "--output", str(path)) == ""
        with duckdb.connect() as other:
            found = other.sql(f"SELECT id, x FROM '{path}' ORDER BY id LIMIT 2").fetchall()
        assert found == [("a", 1.5), ("b", None)]
        assert [each.name for each in home.iterdir() if "rows" in each.name] == [name]

    def test_a_query_that_fails_leaves_the_file_as_it_was(self, home):
        path = home / "rows.csv"
        path.write_text("before")
        with pytest.raises(FailedQueryError):
            sql("SELECT 1 / (range - 4000)::INT, error('late') FROM range(5000)", "-o", str(path))
        assert path.read_text() == "before"
        assert [each.name for each in home.iterdir() if "rows" in each.name] == ["rows.csv"]

    def test_parquet_goes_into_a_pipe(self, home):
        result = CliRunner().invoke(app, ["sql", "SELECT 42 AS a", "--format", "parquet"])
        (home / "piped").write_bytes(result.stdout_bytes)
        assert pq.read_table(home / "piped").to_pylist() == [{"a": 42}]

    @pytest.mark.parametrize(
        "options", [["-o", "rows"], ["-o", "rows.txt"], ["-o", "x.csv", "--format", "table"]]
    )
    def test_a_file_of_no_format_is_a_mistake(self, options):
        result = CliRunner().invoke(app, ["sql", "SELECT 1", *options])
        assert result.exit_code == 2
        assert "csv, json or parquet" in result.stderr


@pytest.mark.usefixtures("home")
def test_without_a_query_it_lists_the_views():
    shown = sql()
    assert all(view in shown for view in VIEWS)
    assert "Every logged inference" in shown
    assert "For example" in shown


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("query", "said", "code"),
    [
        (["SELECT * FROM predictons"], 'Did you mean "predictions"?', 1),
        (["SELECT relase FROM predictions"], '"release"', 1),
        (["SELEC 1"], "syntax error", 1),
        (["SELECT error('at run time')"], "at run time", 1),
        (["SELECT error('at run time')", "--json"], "at run time", 1),
        (["COPY (SELECT 1) TO 'x'"], "read only", 3),
        (["SELECT 1; SELECT 2"], "one statement at a time", 3),
        (["SELECT sleep_ms(200_000)", "--timeout", "0.2"], "--timeout", 124),
    ],
)
def test_an_error_is_one_message_with_the_suggestion(monkeypatch, capsys, query, said, code):
    monkeypatch.setattr(sys, "argv", ["kedge", "sql", *query])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert "Traceback" not in printed.err
