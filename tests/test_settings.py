"""Settings from the environment and the file, and the command that shows them."""

import json
import os
import subprocess
import sys

import pytest

from kedge.errors import KedgeError
from kedge.settings import Settings


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    file = tmp_path / "kedge.toml"
    file.write_text(
        'topic_prefix = "file"\n[stream]\nwindow = 5\nidle_after = 7\n'
        '[kafka]\nsecurity_protocol = "SSL"\n'
    )
    monkeypatch.setenv("KEDGE_CONFIG", str(file))
    monkeypatch.setenv("KEDGE_STREAM__WINDOW", "9")
    monkeypatch.setenv("KEDGE_KAFKA__SASL_MECHANISM", "PLAIN")
    settings = Settings()
    assert settings.topic_prefix == "file"
    assert (settings.stream.window, settings.stream.idle_after) == (9, 7)
    assert settings.kafka["security.protocol"] == "SSL"
    assert settings.kafka["sasl.mechanism"] == "PLAIN"


def test_where_things_lie_follows_home(tmp_path):
    settings = Settings(home=tmp_path)
    moved = settings.model_copy(update={"home": tmp_path / "moved"})
    assert moved.registry_url == f"sqlite:///{tmp_path / 'moved' / 'registry.db'}"
    assert moved.archive_url == str(tmp_path / "moved" / "archive")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KEDGE_STREAM__WINDOW", "-1"),
        ("KEDGE_STREAM__WINDOWS", "5"),
        ("KEDGE_TOPIC_PREFIX", "no spaces"),
        ("KEDGE_APPROVALS__SECRET", "too short"),
        ("KEDGE_APPROVALS__URL", "kedge.example.com"),
        ("KEDGE_STREAM__SLIDE", "90"),
        ("KEDGE_STREAM__LONGER_WINDOWS", "3600,90"),
        ("KEDGE_STREAM__LONGER_WINDOWS", "60"),
        ("KEDGE_STREAM__LONGER_WINDOWS", "an hour"),
        ("KEDGE_WEB__RATE", "0"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(KedgeError, match=variable):
        Settings()


@pytest.mark.parametrize("listed", ["86400,3600", "[3600, 86400]", " 3600 , 86400, 3600"])
def test_lengths_are_listed_as_they_come_to_mind(monkeypatch, listed):
    monkeypatch.setenv("KEDGE_STREAM__LONGER_WINDOWS", listed)
    assert Settings().stream.longer_windows == (3600, 86400)


def test_longer_windows_are_sums_of_whole_slides(monkeypatch, tmp_path):
    file = tmp_path / "kedge.toml"
    file.write_text("[stream]\nwindow = 0.1\nslide = 0.3\nlonger_windows = [0.6, 0.9]\n")
    monkeypatch.setenv("KEDGE_CONFIG", str(file))
    assert Settings().stream.longer_windows == (0.6, 0.9)
    file.write_text(file.read_text().replace("0.9", "0.8"))
    with pytest.raises(KedgeError, match=r"0\.8 is no multiple of 0\.3 seconds"):
        Settings()


def test_the_command_shows_every_setting_and_no_secret(tmp_path):
    env = {
        **os.environ,
        "KEDGE_HOME": str(tmp_path),
        "KEDGE_ALERTING__WEBHOOK_SECRET": "whsec_hunter2",
        "KEDGE_KAFKA__SASL_PASSWORD": "hunter2",
    }
    done = subprocess.run(
        [sys.executable, "-m", "kedge", "settings", "--json"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = {row["variable"]: row["value"] for row in json.loads(done.stdout)}
    assert shown["KEDGE_HOME"] == str(tmp_path)
    assert shown["KEDGE_STREAM__WINDOW"] == "60.0"
    assert "hunter2" not in done.stdout
    assert all(row["meaning"] for row in json.loads(done.stdout)), "a setting without a meaning"


def test_a_wrong_setting_ends_a_command_with_one_clear_message():
    done = subprocess.run(
        [sys.executable, "-m", "kedge", "settings"],
        env={**os.environ, "KEDGE_STREAM__WINDOW": "soon"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "KEDGE_STREAM__WINDOW" in done.stderr
    assert "Traceback" not in done.stderr
