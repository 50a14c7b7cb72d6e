"""The service against real HTTP servers, on the real broker; the receiver verifies with the
published Standard Webhooks library."""

import base64
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer
from confluent_kafka import TopicPartition
from standardwebhooks import Webhook
from typer.testing import CliRunner

from kedge import webhooks
from kedge.cli import webhooks as webhooks_cli
from kedge.contracts import Topics, decode, encode
from kedge.errors import KedgeError
from kedge.policy import Matchers, Policy, Rule, Watch, alert_record
from kedge.registry import Registry
from kedge.streams import CommittedLog
from kedge.streams.clients import consumer
from services import committed, eventually, produce, running
from statistic_records import MINUTE, increase, window

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()
POLICY = """
model = "flights"
[[rules]]
name = "missing"
statistic = "missing_increase"
above = 0.1
"""


class Receiver(ThreadingHTTPServer):
    """Answers by a script, then with 204; keeps what it was sent."""

    daemon_threads = True

    def __init__(self, *script):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.requests = list(script), []
        self.open = threading.Event()
        self.open.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook"

    def bodies(self):
        return [json.loads(body) for _, body in self.requests]

    def told(self):
        """Ids of the alerts in CloudEvents, in the order of their arrival."""
        return [alert["id"] for event in self.bodies() for alert in event["data"]["alerts"]]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((dict(self.headers), body))
        self.server.open.wait()
        answer = self.server.script.pop(0) if self.server.script else 204
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        if status == "hang up":
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_GET(self):
        self.server.requests.append(("GET", b"{}"))

    def log_message(self, *_):
        pass


@contextmanager
def receiving(*scripts):
    receivers = [Receiver(*script) for script in scripts]
    threads = [
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02})
        for each in receivers
    ]
    for thread in threads:
        thread.start()
    try:
        yield receivers
    finally:
        for each in receivers:
            each.open.set()
            each.shutdown()
            each.server_close()
        for thread in threads:
            thread.join()


def _alerts(count, severity="warning", model="flights"):
    """Alerts as the fold makes them, a release each."""
    rule = Rule(name="missing", statistic="missing_increase", above=0.1, severity=severity)
    watch = Watch(Policy(model="*", rules=(rule,)), model, "production", MINUTE)
    changes = [
        change
        for release in range(1, count + 1)
        for change in watch.observe(window(release, release, increase(0.5)))
    ]
    return [alert_record(watch, change, 1_700_000_000_000_000) for change in changes]


@pytest.fixture
def with_endpoints(make_settings, tmp_path):
    """Settings with a policy whose endpoints are these; this machine may be posted to."""

    def make(*endpoints, secret=SECRET):
        file = tmp_path / "policy.toml"
        tables = [
            "[[webhooks]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in e.items())
            for e in endpoints
        ]
        file.write_text("\n".join([POLICY, *tables]))
        return make_settings(
            alerting={"policy": file, "webhook_secret": secret},
            webhooks={"allow": ["127.0.0.0/8"]},
        )

    return make


def _endpoint(receiver, name="oncall", **more):
    waits = {"group_wait_seconds": 0.0, "group_interval_seconds": 0.0}
    return {"name": name, "url": receiver.url, "retry_seconds": [0.05] * 6} | waits | more


def _through(settings, name="oncall"):
    """How many notifications an endpoint is through with, those for others among them."""
    topic = Topics(settings.topic_prefix).notifications
    client = consumer(settings.kafka, f"{settings.topic_prefix}.webhooks.{name}")
    try:
        where = [TopicPartition(topic, number) for number in range(2)]
        offsets = {each.partition: each.offset for each in client.committed(where, timeout=30)}
    finally:
        client.close()
    count = 0
    for partition, following in offsets.items():
        with CommittedLog(settings.kafka, topic, partition) as log:
            count += sum(each.offset < following for each in log.arrivals())
    return count


def _send(settings, alerts):
    values = [encode("alert", alert) for alert in alerts]
    produce(settings.kafka, Topics(settings.topic_prefix).alerts, values, b"flights")


def _dead_letters(settings):
    letters = committed(settings.kafka, Topics(settings.topic_prefix).deadletter)
    return [decode(letter, "dead_letter")[1] for letter in letters]


def test_an_alert_arrives_as_a_signed_cloud_event(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver), secret=f"{SECRET} {OLD_SECRET}")
        (alert,) = _alerts(1)
        with running(webhooks.run, settings=settings):
            _send(settings, [alert])
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
        settings = with_endpoints(_endpoint(receiver))
        (alert,) = _alerts(1)
        with running(webhooks.run, settings=settings):
            _send(settings, [alert])
            eventually(lambda: _through(settings), lambda total: total == 1)
        assert len(receiver.requests) == len(script) + 1
        assert len({body for _, body in receiver.requests}) == 1
        for headers, body in receiver.requests:
            event = Webhook(SECRET).verify(body, headers)
            assert headers["webhook-id"] == event["id"]
        assert receiver.told() == [alert["id"]] * len(receiver.requests)
    assert _dead_letters(settings) == []


def test_after_the_schedule_it_is_given_up_and_kept(with_endpoints):
    with receiving([500] * 3) as (receiver,):
        settings = with_endpoints(_endpoint(receiver, retry_seconds=[0.01, 0.01]))
        first, second = _alerts(2)
        with running(webhooks.run, settings=settings):
            _send(settings, [first])
            (letter,) = eventually(lambda: _dead_letters(settings), len)
            _send(settings, [second])
            eventually(lambda: _through(settings), lambda total: total == 2)
        assert receiver.told() == [first["id"]] * 3 + [second["id"]]
    assert (letter["service"], letter["reason"]) == ("webhooks", "webhook_given_up")
    assert "in 3 attempts; at last: 500" in letter["detail"]
    (message,) = decode(letter["value"], "notification")[1]["alerts"]
    assert decode(message, "alert")[1] == first


def test_one_that_is_refused_holds_back_no_other(with_endpoints):
    with receiving([400]) as (receiver,):
        # The first is due again after the test's patience has ended.
        settings = with_endpoints(_endpoint(receiver, retry_seconds=[600]))
        alerts = _alerts(3)
        with running(webhooks.run, settings=settings):
            _send(settings, alerts)
            eventually(lambda: len(receiver.requests), lambda count: count == 3)
            assert _through(settings) == 0
        # It was never taken, so the next process tries it again, and those behind it too.
        with running(webhooks.run, settings=settings):
            eventually(lambda: _through(settings), lambda total: total == 3)
        delivered, ids = receiver.told(), [event["id"] for event in receiver.bodies()]
    assert delivered == [alert["id"] for alert in alerts] * 2
    assert ids[:3] == ids[3:]


def test_retry_after_is_honoured(with_endpoints):
    with receiving([(503, {"retry-after": "600"})]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver, retry_seconds=[0.0]))
        first, second, third = _alerts(3)
        with running(webhooks.run, settings=settings):
            _send(settings, [first])
            eventually(lambda: receiver.requests, len)
            # By its own schedule the first would be due before either of these.
            _send(settings, [second])
            eventually(lambda: len(receiver.requests), lambda count: count == 2)
            _send(settings, [third])
            eventually(lambda: len(receiver.requests), lambda count: count == 3)
        assert receiver.told() == [alert["id"] for alert in (first, second, third)]


def test_gone_ends_the_endpoint_and_no_other(with_endpoints):
    with receiving([410], []) as (gone, other):
        settings = with_endpoints(_endpoint(gone, "gone"), _endpoint(other, "other"))
        first, second = _alerts(2)
        with running(webhooks.run, settings=settings):
            _send(settings, [first])
            eventually(lambda: (gone.requests, other.requests), all)
            _send(settings, [second])
            eventually(lambda: len(other.requests), lambda count: count == 2)
            eventually(lambda: _through(settings, "other"), lambda total: total == 4)
        assert len(gone.requests) == 1
        assert _through(settings, "gone") <= 1


def test_a_slow_endpoint_holds_back_no_other(with_endpoints):
    with receiving([], []) as (slow, quick):
        slow.open.clear()
        settings = with_endpoints(_endpoint(slow, "slow"), _endpoint(quick, "quick"))
        alerts = _alerts(3)
        with running(webhooks.run, settings=settings):
            _send(settings, alerts)
            eventually(lambda: len(quick.requests), lambda count: count == 3)
            assert _through(settings, "slow") <= 3
            slow.open.set()
            eventually(lambda: len(slow.requests), lambda count: count == 3)


def test_what_fires_is_told_whenever_it_began_and_what_is_over_is_not(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver))
        (over, end), before, between, after = (_lived(release) for release in range(1, 5))
        _send(settings, [over, end, before[0]])
        with running(webhooks.run, settings=settings):
            eventually(lambda: len(receiver.requests), lambda count: count == 1)
        _send(settings, [between[0]])  # while no service runs
        with running(webhooks.run, settings=settings):
            _send(settings, [after[0]])
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
        settings = with_endpoints(_endpoint(receiver))
        first, second = _alerts(2)
        with Registry.open(settings) as registry:
            silence = registry.silences.create(
                Matchers(release=1), ends_at=2**60, author="ann", comment="known"
            )
            with running(webhooks.run, settings=settings):
                _send(settings, [first, second])
                eventually(lambda: receiver.requests, len)
                assert receiver.told() == [second["id"]]
                registry.silences.expire(silence.id, actor="ann")
                eventually(lambda: len(receiver.requests), lambda count: count == 2)
        assert receiver.told() == [second["id"], first["id"]]


@pytest.mark.long
def test_nothing_is_lost_when_the_service_is_killed(with_endpoints):
    """Killed while an answer is due, and again and again: each notification arrives, by one id."""
    alerts = _alerts(8)
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver, retry_seconds=[0.05] * 50))
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
                _send(settings, alerts[start : start + 4])
                eventually(lambda: len(receiver.requests), lambda n, before=before: n > before)
            finally:
                process.kill()
                process.wait()
            receiver.open.set()
        with running(webhooks.run, settings=settings):
            eventually(lambda: _through(settings), lambda total: total == 8)
    assert set(receiver.told()) == {alert["id"] for alert in alerts}
    by_alert = {}
    for event in receiver.bodies():
        for each in event["data"]["alerts"]:
            by_alert.setdefault(each["id"], set()).add(event["id"])
    assert all(len(names) == 1 for names in by_alert.values())
    assert len({event["id"] for event in receiver.bodies()}) == 8


def test_endpoints_of_other_formats_get_these(with_endpoints, monkeypatch):
    with receiving([], [], []) as (slack, pager, alertmanager):
        monkeypatch.setenv("SLACK_URL", slack.url)
        monkeypatch.setenv("PAGER_KEY", "k3y")
        settings = with_endpoints(
            {"name": "slack", "format": "slack", "url_env": "SLACK_URL"},
            _endpoint(pager, "pager", format="pagerduty", routing_key_env="PAGER_KEY"),
            _endpoint(alertmanager, "alertmanager", format="alertmanager"),
        )
        (alert,) = _alerts(1)
        with running(webhooks.run, settings=settings):
            _send(settings, [alert])
            eventually(lambda: [slack.requests, pager.requests, alertmanager.requests], all)
    (message,), (event,), (notification,) = (each.bodies() for each in (slack, pager, alertmanager))
    assert alert["summary"] in message["text"]
    assert event["routing_key"] == "k3y"
    assert notification["alerts"][0]["fingerprint"] == alert["fingerprint"]
    headers, body = alertmanager.requests[0]
    assert Webhook(SECRET).verify(body, headers) == notification
    # These have secrets of their own, and know no signatures.
    assert not any("webhook-signature" in each.requests[0][0] for each in (slack, pager))


def test_an_endpoint_gets_what_it_asked_for(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver, severities=["critical"]))
        (wanted,) = _alerts(1, "critical")
        with running(webhooks.run, settings=settings):
            _send(settings, [*_alerts(2, "info"), *_alerts(1, "critical", "another model"), wanted])
            eventually(lambda: _through(settings), lambda total: total == 1)
        assert receiver.told() == [wanted["id"]]


def test_garbage_among_the_alerts_is_set_aside(with_endpoints):
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver))
        with running(webhooks.run, settings=settings):
            produce(settings.kafka, Topics(settings.topic_prefix).alerts, [b"garbage"], b"flights")
            _send(settings, _alerts(1))
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
        settings = with_endpoints(_endpoint(good, "good"), _endpoint(bad, "bad"))
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
    assert set(firing) == set(resolved) == set(_alerts(1)[0])


def test_what_was_told_is_sent_again_on_demand(with_endpoints, monkeypatch):
    app = typer.Typer()
    webhooks_cli.add_to(app)
    with receiving([]) as (receiver,):
        settings = with_endpoints(_endpoint(receiver))
        first, second = _alerts(2)
        with running(webhooks.run, settings=settings):
            _send(settings, [first, second])
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
