"""Silences: made, in force, ended, and never gone."""

import json

import pytest
import typer
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from kedge.cli import silences as silences_cli
from kedge.errors import KedgeError
from kedge.policy import Matchers
from kedge.registry import BadNameError, Registry, SilenceError
from registry.building import plain_connection


@pytest.fixture
def clock():
    return [1000]


@pytest.fixture
def registry(home, clock):
    with Registry.open(home, now=lambda: clock[0]) as registry:
        yield registry


def _create(registry, ends_at=2000, **options):
    return registry.silences.create(
        Matchers(rule="drift*"), ends_at=ends_at, **{"author": "ann", "comment": "known"} | options
    )


def test_a_silence_is_in_force_from_its_start_to_its_end(registry):
    now = _create(registry)
    later = _create(registry, starts_at=1500)
    assert (now.starts_at, now.created_at, now.expired_at) == (1000, 1000, None)
    assert later.id > now.id
    at = {t: registry.silences.find(active_at=t) for t in (999, 1000, 1499, 1500, 1999, 2000)}
    assert at == {
        999: [],
        1000: [now],
        1499: [now],
        1500: [now, later],
        1999: [now, later],
        2000: [],
    }
    assert registry.silences.find() == [now, later]


def test_what_is_expired_is_over_and_stays_in_the_history(registry, clock):
    made = _create(registry)
    clock[0] = 1200
    ended = registry.silences.expire(made.id, actor="bob")
    assert (ended.expired_at, ended.expired_by, ended.over_at) == (1200, "bob", 1200)
    clock[0] = 1300
    assert registry.silences.expire(made.id, actor="eve") == ended
    assert registry.silences.find(active_at=1199) == [ended]
    assert registry.silences.find(active_at=1200) == []
    assert registry.silences.find() == [ended]


def test_one_that_is_over_by_itself_stays_so(registry, clock):
    made = _create(registry)
    clock[0] = 2000
    assert registry.silences.expire(made.id, actor="bob") == made


def test_one_to_come_is_expired_before_it_begins(registry):
    made = _create(registry, starts_at=1500)
    ended = registry.silences.expire(made.id, actor="bob")
    assert not any(ended.is_active(at) for at in range(900, 2100, 50))


def test_what_can_not_be_is_refused(registry):
    with pytest.raises(SilenceError, match="end after it begins"):
        _create(registry, ends_at=1000)
    with pytest.raises(SilenceError, match="end after it begins"):
        _create(registry, starts_at=2000)
    with pytest.raises(BadNameError, match="comment must not be empty"):
        _create(registry, comment=" ")
    with pytest.raises(SilenceError, match="there is no silence 7"):
        registry.silences.expire(7, actor="bob")
    assert registry.silences.find() == []


def test_nothing_of_it_is_changed_or_deleted(registry, home):
    registry.silences.expire(_create(registry).id, actor="bob")
    for statement in (
        "DELETE FROM silences",
        "UPDATE silences SET ends_at = 9999",
        "DELETE FROM silence_expiries",
        "UPDATE silence_expiries SET expired_at = 1",
    ):
        with plain_connection(home) as connection, pytest.raises(DatabaseError):
            connection.execute(text(statement))


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_from_the_command_line(home, monkeypatch):
    app = typer.Typer()
    silences_cli.add_to(app)
    monkeypatch.setenv("KEDGE_REGISTRY__URL", home.registry_url)
    monkeypatch.setenv("KEDGE_ACTOR", "ann")

    def run(*arguments):
        return CliRunner().invoke(app, ["silence", *arguments])

    def listed(*arguments):
        return json.loads(run("list", "--json", *arguments).stdout)

    made = run(
        *("create", "--model", "flights", "--severity", "info", "--severity", "warning"),
        *("--until", "2h", "--comment", "known", "--json"),
    )
    (silence,) = json.loads(made.stdout)
    assert silence["matchers"] == {"model": ["flights"], "severity": ["info", "warning"]}
    assert (silence["state"], silence["author"]) == ("active", "ann")
    assert silence["ends_at"] - silence["starts_at"] == pytest.approx(7200e6, abs=60e6)
    run("create", "--rule", "x", "--start", "1d", "--until", "2d", "--comment", "soon")
    assert [each["state"] for each in listed()] == ["active", "pending"]
    assert "model=flights, severity=info|warning" in run("list").stdout
    assert run("expire", str(silence["id"])).exit_code == 0
    assert [each["state"] for each in listed()] == ["pending"]
    assert [each["state"] for each in listed("--all")] == ["expired", "pending"]
    nothing = run("create", "--until", "2h", "--comment", "all").exception
    assert isinstance(nothing, KedgeError)
    assert "needs a matcher at least, on one of model, environment, release" in str(nothing)
    never = run("create", "--rule", "x", "--until", "soon", "--comment", "x").exception
    assert "`soon` is no time: write how far ahead" in str(never)
