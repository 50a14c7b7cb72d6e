"""What is told, whatever dies and whoever is silent; on the real broker, by real HTTP."""

import json
import os
import subprocess
import sys

import pytest
import typer
from standardwebhooks import Webhook
from typer.testing import CliRunner

from kedge import webhooks
from kedge.cli import webhooks as webhooks_cli
from kedge.policy import Matchers, Policy, Rule, Watch, alert_record
from kedge.registry import Registry
from services import eventually, running
from statistic_records import MINUTE, increase, window
from webhook_receivers import SECRET, alerts_of_releases, endpoint, receiving, send, through


def test_what_fires_is_told_whenever_it_began_and_what_is_over_is_not(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver))
        (over, end), before, between, after = (_lived(release) for release in range(1, 5))
        send(settings, [over, end, before[0]])
        with running(webhooks.run, settings=settings):
            eventually(lambda: len(receiver.requests), lambda count: count == 1)
        send(settings, [between[0]])  # while no service runs
        with running(webhooks.run, settings=settings):
            send(settings, [after[0]])
            eventually(lambda: len(receiver.requests), lambda count: count == 3)
        assert receiver.told() == [each[0]["id"] for each in (before, between, after)]


def _lived(release):
    """An alert of a release, and its end."""
    rule = Rule(name="missing", statistic="missing_increase", above=0.1)
    watch = Watch(Policy(model="*", rules=(rule,)), "flights", "production", MINUTE)
    changes = [
        change
        for minute, value in enumerate((0.5, 0.0), release)
        for change in watch.observe(window(release, minute, increase(value)))
    ]
    return [alert_record(watch, change, 1_700_000_000_000_000) for change in changes]


def test_a_silenced_alert_is_told_when_the_silence_ends(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver))
        first, second = alerts_of_releases(2)
        with Registry.open(settings) as registry:
            silence = registry.silences.create(
                Matchers(release=1), ends_at=2**60, author="ann", comment="known"
            )
            with running(webhooks.run, settings=settings):
                send(settings, [first, second])
                eventually(lambda: receiver.requests, len)
                assert receiver.told() == [second["id"]]
                registry.silences.expire(silence.id, actor="ann")
                eventually(lambda: len(receiver.requests), lambda count: count == 2)
        assert receiver.told() == [second["id"], first["id"]]


@pytest.mark.long
def test_nothing_is_lost_when_the_service_is_killed(with_endpoints):
    """Killed while an answer is due, and again and again: each notification arrives, by one id."""
    alerts = alerts_of_releases(8)
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver, retry_seconds=[0.05] * 50))
        environment = {
            **os.environ,
            "KEDGE_HOME": str(settings.home),
            "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
            "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
            "KEDGE_ALERTING__POLICY": str(settings.alerting.policy),
            "KEDGE_ALERTING__WEBHOOK_SECRET": SECRET,
            "KEDGE_WEBHOOKS__ALLOW": "127.0.0.1",
            "KEDGE_STREAM__INSTANCE": "killed",
        }
        for start in (0, 4):
            receiver.open.clear()
            before = len(receiver.requests)
            process = subprocess.Popen(
                [sys.executable, "-m", "kedge", "run", "webhooks"], env=environment
            )
            try:
                send(settings, alerts[start : start + 4])
                eventually(lambda: len(receiver.requests), lambda n, before=before: n > before)
            finally:
                process.kill()
                process.wait()
            receiver.open.set()
        with running(webhooks.run, settings=settings):
            eventually(lambda: through(settings), lambda total: total == 8)
    assert set(receiver.told()) == {alert["id"] for alert in alerts}
    by_alert = {}
    for event in receiver.bodies():
        for each in event["data"]["alerts"]:
            by_alert.setdefault(each["id"], set()).add(event["id"])
    assert all(len(names) == 1 for names in by_alert.values())
    assert len({event["id"] for event in receiver.bodies()}) == 8


def test_what_was_told_is_sent_again_on_demand(with_endpoints, monkeypatch):
    app = typer.Typer()
    webhooks_cli.add_to(app)
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver))
        first, second = alerts_of_releases(2)
        with running(webhooks.run, settings=settings):
            send(settings, [first, second])
            eventually(lambda: len(receiver.requests), lambda count: count == 2)
        monkeypatch.setenv("KEDGE_ALERTING__POLICY", str(settings.alerting.policy))
        monkeypatch.setenv("KEDGE_ALERTING__WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("KEDGE_WEBHOOKS__ALLOW", "127.0.0.1")
        monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
        monkeypatch.setenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"])

        def replay(*arguments):
            return CliRunner().invoke(app, ["webhooks", "replay", "oncall", *arguments])

        shown = replay("--since", "1h", "--json")
        assert len(receiver.requests) == 2
        assert len(json.loads(shown.stdout)) == 2
        assert json.loads(replay("--until", "1h", "--since", "2h", "--json").stdout) == []
        assert replay("--of", second["incident"], "--yes").exit_code == 0
        assert replay("--since", "1h", "--yes").exit_code == 0
    before, replays = receiver.requests[:2], receiver.requests[2:]
    events = [Webhook(SECRET).verify(body, headers) for headers, body in replays]
    assert receiver.told()[2:] == [second["id"], first["id"], second["id"]]
    assert [event.pop("replay") for event in events] == [True] * 3
    assert events[1:] == [json.loads(body) for _, body in before]
    assert [headers["webhook-id"] for headers, _ in replays[1:]] == [
        headers["webhook-id"] for headers, _ in before
    ]
    assert all(headers["kedge-replay"] == "true" for headers, _ in replays)
    assert "kedge-replay" not in before[0][0]
