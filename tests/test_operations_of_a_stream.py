"""Slow, failing and silent releases fire alerts: from the SDK's decorator to the alert."""

import time

import pytest

from counted import TAGS, reference
from kedge import LiveRelease, PredictionLogger, alerting, monitor, profiler
from kedge.contracts import Topics, decode
from services import committed, eventually, produce, release_event, running

POLICY = """
model = "flights"
[[rules]]
name = "slow"
statistic = "latency_p95"
above = 20
min_rows = 10
[[rules]]
name = "upstream is away"
statistic = "error_rate"
kind = "TimeoutError"
above = 0.05
min_rows = 10
[[rules]]
name = "no traffic"
statistic = "rows"
below = 1
"""


@pytest.fixture
def settings(make_settings, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    settings = make_settings(
        alerting={"policy": policy}, stream={"window": 1.0, "idle_after": 0.5, "instance": "one"}
    )
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.releases, [release_event("flights", 1, reference())], b"1")
    return settings


def _alerts(settings):
    values = committed(settings.kafka, Topics(settings.topic_prefix).alerts)
    alerts = [decode(value, "alert")[1] for value in values]
    return [(a["status"], a["rule"]) for a in alerts]


def _served(log, times):
    @log.logged
    def predict(features):
        time.sleep(0.03)
        if features["x"] % 5 == 0:
            raise TimeoutError("what the feed was asked for")
        return features["x"]

    for number in range(times):
        try:
            predict({"x": float(number)})
        except TimeoutError:
            assert number % 5 == 0
    assert log.flush(30)


def test_slow_failing_and_then_silent(settings):
    release = LiveRelease("flights", 1, TAGS.model_version, TAGS.code_version)
    log = PredictionLogger(release, kafka=settings.kafka, topic_prefix=settings.topic_prefix)
    with running(profiler.run, alerting.run, settings=settings):
        with running(monitor.run, settings=settings):
            _served(log, 100)
            alerts = eventually(lambda: _alerts(settings), lambda found: len(found) >= 3)
        assert set(alerts) == {
            ("firing", "slow"),
            ("firing", "upstream is away"),
            ("firing", "no traffic"),
        }
        assert alerts[-1] == ("firing", "no traffic")
        with running(monitor.run, settings=settings):
            for number in range(20):
                log.prediction({"x": float(number)}, 1.0, latency_ms=1.0)
            assert log.flush(30)
            more = eventually(lambda: _alerts(settings), lambda found: len(found) >= 7)[3:]
    log.close()
    # Traffic is back, and stops again.
    assert sorted(more[:3]) == [
        ("resolved", "no traffic"),
        ("resolved", "slow"),
        ("resolved", "upstream is away"),
    ]
    assert more[3:] == [("firing", "no traffic")]
