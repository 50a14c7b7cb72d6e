"""What the tests of webhooks share: HTTP receivers, alerts, how far an endpoint is."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from confluent_kafka import TopicPartition

from kedge.contracts import Topics, encode
from kedge.policy import Policy, Rule, Watch, alert_record
from kedge.streams import CommittedLog
from kedge.streams.clients import consumer
from services import produce
from statistic_records import MINUTE, increase, window

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()


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


def alerts_of_releases(count, severity="warning", model="flights"):
    """Alerts as the fold makes them, a release each."""
    rule = Rule(name="missing", statistic="missing_increase", above=0.1, severity=severity)
    watch = Watch(Policy(model="*", rules=(rule,)), model, "production", MINUTE)
    changes = [
        change
        for release in range(1, count + 1)
        for change in watch.observe(window(release, release, increase(0.5)))
    ]
    return [alert_record(watch, change, 1_700_000_000_000_000) for change in changes]


def endpoint(receiver, name="oncall", **more):
    waits = {"group_wait_seconds": 0.0, "group_interval_seconds": 0.0}
    return {"name": name, "url": receiver.url, "retry_seconds": [0.05] * 6} | waits | more


def through(settings, name="oncall"):
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


def send(settings, alerts):
    values = [encode("alert", alert) for alert in alerts]
    produce(settings.kafka, Topics(settings.topic_prefix).alerts, values, b"flights")
