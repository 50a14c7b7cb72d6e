"""The service against real HTTP servers, on the real broker; the receiver verifies with the
published Standard Webhooks library."""

import json
import threading

import pytest
import typer
from standardwebhooks import Webhook
from typer.testing import CliRunner

from kedge import webhooks
from kedge.cli import webhooks as webhooks_cli
from kedge.contracts import Topics, decode
from kedge.errors import KedgeError
from services import committed, eventually, produce, running
from webhook_receivers import (
    OLD_SECRET,
    SECRET,
    alerts_of_releases,
    endpoint,
    receiving,
    send,
    through,
)


def _dead_letters(settings):
    letters = committed(settings.kafka, Topics(settings.topic_prefix).deadletter)
    return [decode(letter, "dead_letter")[1] for letter in letters]


def test_an_alert_arrives_as_a_signed_cloud_event(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver), secret=f"{SECRET} {OLD_SECRET}")
        (alert,) = alerts_of_releases(1)
        with running(webhooks.run, settings=settings):
            send(settings, [alert])
            eventually(lambda: receiver.requests, len)
        ((headers, body),) = receiver.requests
    for secret in (SECRET, OLD_SECRET):
        event = Webhook(secret).verify(body, headers)
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == event["id"]
    assert {key: event[key] for key in ("specversion", "type", "source", "subject")} == {
        "specversion": "1.0",
        "type": "io.kedge.alerts.firing",
        "source": "/kedge/production/models/flights",
        "subject": "releases/1",
    }
    (data,) = event["data"]["alerts"]
    assert event["data"]["group"] == {
        "model": "flights",
        "environment": "production",
        "release": "1",
        "rule": "missing",
    }
    assert data["starts_at"] == "1970-01-01T00:01:00.000000Z"
    assert (data["summary"], data["value"], data["ends_at"]) == (alert["summary"], 0.5, None)
    assert set(data) == set(alert)


def test_it_is_tried_again_by_the_same_id_until_it_is_taken(with_endpoints):
    script = [500, "hang up", (302, {"location": "/elsewhere"}), 404, 429]
    with receiving(script) as (receiver,):
        settings = with_endpoints(endpoint(receiver))
        (alert,) = alerts_of_releases(1)
        with running(webhooks.run, settings=settings):
            send(settings, [alert])
            eventually(lambda: through(settings), lambda total: total == 1)
        assert len(receiver.requests) == len(script) + 1
        assert len({body for _, body in receiver.requests}) == 1
        for headers, body in receiver.requests:
            event = Webhook(SECRET).verify(body, headers)
            assert headers["webhook-id"] == event["id"]
        assert receiver.told() == [alert["id"]] * len(receiver.requests)
    assert _dead_letters(settings) == []


def test_after_the_schedule_it_is_given_up_and_kept(with_endpoints):
    with receiving([500] * 3) as (receiver,):
        settings = with_endpoints(endpoint(receiver, retry_seconds=[0.01, 0.01]))
        first, second = alerts_of_releases(2)
        with running(webhooks.run, settings=settings):
            send(settings, [first])
            (letter,) = eventually(lambda: _dead_letters(settings), len)
            send(settings, [second])
            eventually(lambda: through(settings), lambda total: total == 2)
        assert receiver.told() == [first["id"]] * 3 + [second["id"]]
    assert (letter["service"], letter["reason"]) == ("webhooks", "webhook_given_up")
    assert "in 3 attempts; at last: 500" in letter["detail"]
    (message,) = decode(letter["value"], "notification")[1]["alerts"]
    assert decode(message, "alert")[1] == first


def test_one_that_is_refused_holds_back_no_other(with_endpoints):
    with receiving([400]) as (receiver,):
        # The first is due again after the test's patience has ended.
        settings = with_endpoints(endpoint(receiver, retry_seconds=[600]))
        alerts = alerts_of_releases(3)
        with running(webhooks.run, settings=settings):
            send(settings, alerts)
            eventually(lambda: len(receiver.requests), lambda count: count == 3)
            assert through(settings) == 0
        # It was never taken, so the next process tries it again, and those behind it too.
        with running(webhooks.run, settings=settings):
            eventually(lambda: through(settings), lambda total: total == 3)
        delivered, ids = receiver.told(), [event["id"] for event in receiver.bodies()]
    assert delivered == [alert["id"] for alert in alerts] * 2
    assert ids[:3] == ids[3:]


def test_retry_after_is_honoured(with_endpoints):
    with receiving([(503, {"retry-after": "600"})]) as (receiver,):
        settings = with_endpoints(endpoint(receiver, retry_seconds=[0.0]))
        first, second, third = alerts_of_releases(3)
        with running(webhooks.run, settings=settings):
            send(settings, [first])
            eventually(lambda: receiver.requests, len)
            # By its own schedule the first would be due before either of these.
            send(settings, [second])
            eventually(lambda: len(receiver.requests), lambda count: count == 2)
            send(settings, [third])
            eventually(lambda: len(receiver.requests), lambda count: count == 3)
        assert receiver.told() == [alert["id"] for alert in (first, second, third)]


def test_gone_ends_the_endpoint_and_no_other(with_endpoints):
    with receiving([410], []) as (gone, other):
        settings = with_endpoints(endpoint(gone, "gone"), endpoint(other, "other"))
        first, second = alerts_of_releases(2)
        with running(webhooks.run, settings=settings):
            send(settings, [first])
            eventually(lambda: (gone.requests, other.requests), all)
            send(settings, [second])
            eventually(lambda: len(other.requests), lambda count: count == 2)
            eventually(lambda: through(settings, "other"), lambda total: total == 4)
        assert len(gone.requests) == 1
        assert through(settings, "gone") <= 1


def test_a_slow_endpoint_holds_back_no_other(with_endpoints):
    with receiving([], []) as (slow, quick):
        slow.open.clear()
        settings = with_endpoints(endpoint(slow, "slow"), endpoint(quick, "quick"))
        alerts = alerts_of_releases(3)
        with running(webhooks.run, settings=settings):
            send(settings, alerts)
            eventually(lambda: len(quick.requests), lambda count: count == 3)
            assert through(settings, "slow") <= 3
            slow.open.set()
            eventually(lambda: len(slow.requests), lambda count: count == 3)


def only(endpoint):
    """The one body that an endpoint got; at least once, so it may have come again."""
    first, *again = endpoint.bodies()
    assert all(body == first for body in again)
    return first


def test_endpoints_of_other_formats_get_these(with_endpoints, monkeypatch):
    with receiving([], [], []) as (slack, pager, alertmanager):
        monkeypatch.setenv("SLACK_URL", slack.url)
        monkeypatch.setenv("PAGER_KEY", "k3y")
        settings = with_endpoints(
            {"name": "slack", "format": "slack", "url_env": "SLACK_URL"},
            endpoint(pager, "pager", format="pagerduty", routing_key_env="PAGER_KEY"),
            endpoint(alertmanager, "alertmanager", format="alertmanager"),
        )
        (alert,) = alerts_of_releases(1)
        with running(webhooks.run, settings=settings):
            send(settings, [alert])
            eventually(lambda: [slack.requests, pager.requests, alertmanager.requests], all)
    message, event, notification = map(only, (slack, pager, alertmanager))
    assert alert["summary"] in message["text"]
    assert event["routing_key"] == "k3y"
    assert notification["alerts"][0]["fingerprint"] == alert["fingerprint"]
    headers, body = alertmanager.requests[0]
    assert Webhook(SECRET).verify(body, headers) == notification
    # These have secrets of their own, and know no signatures.
    assert not any("webhook-signature" in each.requests[0][0] for each in (slack, pager))


def test_an_endpoint_gets_what_it_asked_for(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver, severities=["critical"]))
        (wanted,) = alerts_of_releases(1, "critical")
        with running(webhooks.run, settings=settings):
            send(
                settings,
                [
                    *alerts_of_releases(2, "info"),
                    *alerts_of_releases(1, "critical", "another model"),
                    wanted,
                ],
            )
            eventually(lambda: through(settings), lambda total: total == 1)
        assert receiver.told() == [wanted["id"]]


def test_garbage_among_the_alerts_is_set_aside(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(endpoint(receiver))
        with running(webhooks.run, settings=settings):
            produce(settings.kafka, Topics(settings.topic_prefix).alerts, [b"garbage"], b"flights")
            send(settings, alerts_of_releases(1))
            eventually(lambda: receiver.requests, len)
        ((letter,), (event,)) = _dead_letters(settings), receiver.bodies()
    assert (letter["reason"], letter["value"]) == ("unreadable", b"garbage")
    assert event["type"] == "io.kedge.alerts.firing"


def test_without_a_secret_the_service_says_what_to_set(with_endpoints, monkeypatch):
    monkeypatch.delenv("ONCALL_SECRET", raising=False)
    endpoint = {"name": "oncall", "url": "https://example.com/", "secret_env": "ONCALL_SECRET"}
    settings = with_endpoints(endpoint)
    with pytest.raises(KedgeError, match="'oncall' has no secret to sign with: set ONCALL_SECRET"):
        webhooks.run(settings, threading.Event())


def test_an_endpoint_is_tested_from_the_command_line(with_endpoints, monkeypatch):
    app = typer.Typer()
    webhooks_cli.add_to(app)
    with receiving([], [500]) as (good, bad):
        settings = with_endpoints(endpoint(good, "good"), endpoint(bad, "bad"))
        monkeypatch.setenv("KEDGE_ALERTING__POLICY", str(settings.alerting.policy))
        monkeypatch.setenv("KEDGE_ALERTING__WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("KEDGE_WEBHOOKS__ALLOW", "127.0.0.1")
        invoke = CliRunner().invoke
        assert invoke(app, ["webhooks", "test", "good"]).exit_code == 0
        refused = invoke(app, ["webhooks", "test", "bad", "--json"])
        unknown = invoke(app, ["webhooks", "test", "ugly"])
        listed = json.loads(invoke(app, ["webhooks", "list", "--json"]).stdout)
    assert refused.exit_code == 1
    assert [each["delivered"] for each in json.loads(refused.stdout)] == [False, True]
    assert str(unknown.exception) == "there is no endpoint 'ugly': there are: good, bad"
    assert [each["name"] for each in listed] == ["good", "bad"]
    events = [Webhook(SECRET).verify(body, headers) for headers, body in good.requests]
    assert [event["type"] for event in events] == [
        "io.kedge.alerts.firing",
        "io.kedge.alerts.resolved",
    ]
    (firing,), (resolved,) = (event["data"]["alerts"] for event in events)
    assert set(firing) == set(resolved) == set(alerts_of_releases(1)[0])
