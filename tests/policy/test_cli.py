import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from kedge.cli import policy
from kedge.errors import KedgeError

app = typer.Typer()
policy.add_to(app)


def _run(*arguments):
    return CliRunner().invoke(app, ["policy", *map(str, arguments)])


@pytest.fixture
def example(tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text(_run("example").stdout)
    return file


def test_the_example_is_a_policy(example):
    result = _run("check", example)
    assert result.exit_code == 0
    assert result.stdout == (
        "ok: model flights: 4 rules, 1 of them roll production back (auto); webhooks to oncall\n"
    )


def test_the_policy_of_the_settings_is_checked_by_default(example, monkeypatch):
    monkeypatch.setenv("KEDGE_ALERTING__POLICY", str(example))
    answer = json.loads(_run("check", "--json").stdout)
    assert answer["ok"]
    assert answer["policies"][0]["rules"] == [
        "an input goes missing",
        "an input or the output drifts",
        "the model is wrong too often from some airport",
        "errors become more",
    ]


def test_what_is_wrong_is_told_to_people_and_programs(example):
    example.write_text(example.read_text().replace("above = 0.10", "abvoe = 0.10"))
    (line,) = [n for n, each in enumerate(example.read_text().splitlines(), 1) if "abvoe" in each]
    result = _run("check", example)
    assert result.exit_code == 1
    assert isinstance(result.exception, KedgeError)
    assert f"line {line}: rules[0].abvoe: no such key; did you mean 'above'?" in str(
        result.exception
    )
    result = _run("check", example, "--json")
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["file"], problem["line"]) == (str(example), line)


def test_a_missing_file_is_an_answer_for_programs_too(tmp_path):
    result = _run("check", tmp_path / "none.toml", "--json")
    assert result.exit_code == 1
    assert "no policy file" in json.loads(result.stdout)["problems"][0]["wrong"]


def test_without_a_policy_there_is_nothing_to_check(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KEDGE_ALERTING__POLICY", raising=False)
    with pytest.raises(KedgeError, match="name a file"):
        raise _run("check").exception


def test_the_reference_of_statistics_is_that_of_the_code():
    made = _run("statistics", "--markdown").stdout
    file = Path(__file__).parents[2] / "docs" / "statistics.md"
    assert file.read_text(encoding="utf-8") == made, (
        "make it anew: kedge policy statistics --markdown > docs/statistics.md"
    )


def test_statistics_are_listed_for_people_and_programs():
    listed = json.loads(_run("statistics", "--json").stdout)
    lines = _run("statistics").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [entry["name"] for entry in listed]
    assert next(entry for entry in listed if entry["name"] == "psi")["high"] is None
