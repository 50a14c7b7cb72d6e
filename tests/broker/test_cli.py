"""`kedge broker …`, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import datetime

import pytest
from typer.testing import CliRunner

from kedge.broker import connection, stop
from kedge.cli import app
from kedge.errors import KedgeError
from kedge.settings import Settings

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    yield home
    stop(Settings(home=home))


@pytest.fixture
def kedge(home, monkeypatch):
    monkeypatch.setenv("KEDGE_HOME", str(home))

    def run(*arguments, exit_code=0):
        result = CliRunner().invoke(app, ["broker", *arguments])
        assert result.exit_code == exit_code, result.output
        return result.stdout

    return run


def test_a_life_of_the_broker(kedge, home):
    kedge("stop")
    assert "kedge broker start" in kedge("status", exit_code=3)
    assert json.loads(kedge("status", "--json", exit_code=3))["running"] is False

    started = json.loads(kedge("start", "--json"))

    servers = connection(Settings(home=home))["bootstrap.servers"]
    assert started["bootstrap_servers"] == servers
    assert started["answers"] is True
    assert datetime.fromisoformat(started["started_at"]).utcoffset() is not None
    assert json.loads(kedge("status", "--json")) == started
    assert f"answers on {servers}" in kedge("start")

    log = (home / "broker/server.log").read_text().splitlines(keepends=True)
    assert kedge("logs", "-n", "2") in "".join(log[-20:])
    assert len(kedge("logs", "-n", "2").splitlines()) == 2

    assert "stopped" in kedge("stop")
    assert "not running" in kedge("stop")
    kedge("status", exit_code=3)


def test_before_the_first_start_there_is_no_log(monkeypatch, tmp_path):
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))

    result = CliRunner().invoke(app, ["broker", "logs"])

    assert isinstance(result.exception, KedgeError)
    assert "kedge broker start" in str(result.exception)


def test_a_configured_broker_is_named_and_asked(kedge, monkeypatch):
    kedge("start")
    servers = json.loads(kedge("status", "--json"))["bootstrap_servers"]

    monkeypatch.setenv("KEDGE_HOME", "/nonexistent/kedge")
    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", servers)
    assert f"{servers}, which KEDGE_KAFKA__BOOTSTRAP_SERVERS names, answers" in kedge("start")
    assert json.loads(kedge("status", "--json"))["embedded"] is False

    monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    assert "does not answer" in kedge("status", exit_code=3)


def test_the_log_is_followed_until_ctrl_c(tmp_path):
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker/server.log").write_text("one\ntwo\n")
    following = subprocess.Popen(
        [sys.executable, "-m", "kedge", "broker", "logs", "--follow", "-n", "1"],
        env={**os.environ, "KEDGE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Where the tests themselves run in the background, it is ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no thread has run yet
    )
    assert following.stdout.readline() == "two\n"
    with (tmp_path / "broker/server.log").open("a") as log:
        log.write("three\n")
    assert following.stdout.readline() == "three\n"

    following.send_signal(signal.SIGINT)

    assert following.communicate(timeout=60) == ("", "")
    assert following.returncode == 0


@pytest.mark.parametrize("verb", ["start", "stop", "status", "logs"])
def test_each_verb_explains_itself(kedge, verb):
    assert len(kedge(verb, "--help").splitlines()) > 8
    assert verb in kedge("--help")
