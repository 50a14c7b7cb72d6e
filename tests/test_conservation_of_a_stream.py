"""Predictions that are lost on the way fire an alert, from a real producer to a real topic."""

import os
import signal
import subprocess
import sys

import pytest

from counted import TAGS, message, reference
from kedge import LiveRelease, PredictionLogger, alerting, auditor, profiler
from kedge.contracts import Topics, decode
from services import committed, eventually, produce, release_event, running

POLICY = """
model = "flights"
[[rules]]
name = "predictions get lost"
statistic = "predictions_missing"
above = 0
[[rules]]
name = "an SDK drops"
statistic = "predictions_dropped"
above = 0
"""
STREAM = {"window": 1.0, "missing_grace": 1.0, "idle_after": 0.5, "instance": "one"}


@pytest.fixture
def settings(make_settings, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    settings = make_settings(alerting={"policy": policy}, stream=STREAM)
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.releases, [release_event("flights", 1, reference())], b"1")
    return settings


def _sent(settings, *values):
    produce(settings.kafka, Topics(settings.topic_prefix).predictions, values, b"one")


def _alerts(settings):
    values = committed(settings.kafka, Topics(settings.topic_prefix).alerts)
    alerts = [decode(value, "alert")[1] for value in values]
    return [(a["status"], a["statistic"], a["release"], a["value"]) for a in alerts]


def _windows(settings):
    values = committed(settings.kafka, Topics(settings.topic_prefix).statistics)
    return [decode(value, "statistic")[1] for value in values]


def _auditor_process(settings):
    environment = os.environ | {
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
        **{f"KEDGE_STREAM__{name.upper()}": str(value) for name, value in STREAM.items()},
        "KEDGE_STREAM__PARTITIONS": str(settings.stream.partitions),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "kedge", "run", "auditor"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )


FIRING = ("firing", "predictions_missing", 1, 10.0)
RESOLVED = ("resolved", "predictions_missing", 1, 0.0)


def test_a_hole_in_the_numbers_fires_until_it_is_filled_though_the_auditor_is_killed(settings):
    early, hole, late = (
        message([f"{first}-{row}" for row in range(rows)], producer=("p", first))
        for first, rows in ((0, 5), (5, 10), (15, 5))
    )
    with running(profiler.run, alerting.run, settings=settings):
        process = _auditor_process(settings)
        try:
            _sent(settings, early, late)
            eventually(lambda: _alerts(settings), lambda found: found == [FIRING])
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        with running(auditor.run, settings=settings):
            before = len(_windows(settings))
            # It goes on with what the killed one knew, and tells nothing anew.
            eventually(lambda: len(_windows(settings)), lambda n: n > before + 1)
            assert _alerts(settings) == [FIRING]
            _sent(settings, hole)
            alerts = eventually(lambda: _alerts(settings), lambda found: len(found) > 1)
    assert alerts == [FIRING, RESOLVED]
    windows = _windows(settings)
    assert len({window["window_start"] for window in windows}) == len(windows)
    totals = dict.fromkeys(("received", "dropped", "dead_lettered", "duplicate", "late"), 0.0)
    for window in windows:
        assert (window["clock"], window["environment"]) == ("broker", TAGS.environment)
        for statistic in window["statistics"]:
            fate = statistic["name"].removeprefix("predictions_")
            if fate in totals:
                totals[fate] += statistic["value"]
    assert totals == dict.fromkeys(totals, 0.0) | {"received": 20.0}


def test_what_an_sdk_drops_fires(settings):
    release = LiveRelease("flights", 1, TAGS.model_version, TAGS.code_version)
    with running(profiler.run, auditor.run, alerting.run, settings=settings):
        log = PredictionLogger(release, kafka=settings.kafka, topic_prefix=settings.topic_prefix)
        log.prediction({"x": 0.0}, None, event_time=2**63)
        # Nothing else is ever logged: the report that the logger sends at its end tells it.
        assert log.close(30)
        alerts = eventually(lambda: _alerts(settings), lambda found: len(found) > 1)
    assert alerts == [
        ("firing", "predictions_dropped", 1, 1.0),
        ("resolved", "predictions_dropped", 1, 0.0),
    ]
