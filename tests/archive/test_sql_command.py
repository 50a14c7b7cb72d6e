"""`kedge sql`, as a user calls it."""

import csv
import io
import json
import sys

import pytest
from typer.testing import CliRunner

from kedge.archive import VIEWS, ColumnLedger, Disk, PartitionWriter
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
        assert "first 100 of 1,234 rows" in shown

    def test_table_shows_markup_as_it_is(self):
        assert "[red]x" in sql("SELECT '[red]x' AS a")

    def test_query_from_standard_input(self):
        assert json.loads(sql("--json", stdin="SELECT count(*) AS n FROM predictions")) == [
            {"n": 3}
        ]

    def test_statement_without_rows(self):
        assert "Traceback" not in sql("CREATE TEMP TABLE t AS SELECT 1")


@pytest.mark.usefixtures("home")
def test_without_a_query_it_lists_the_views():
    shown = sql()
    assert all(view in shown for view in VIEWS)
    assert "Every logged inference" in shown
    assert "For example" in shown


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM predictons", 'Did you mean "predictions"?'),
        ("SELECT relase FROM predictions", '"release"'),
        ("SELEC 1", "syntax error"),
        ("SELECT error('at run time')", "at run time"),
    ],
)
def test_an_error_is_one_message_with_the_suggestion(monkeypatch, capsys, query, said):
    monkeypatch.setattr(sys, "argv", ["kedge", "sql", query])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert "Traceback" not in printed.err
