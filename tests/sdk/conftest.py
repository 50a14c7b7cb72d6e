"""Loggers on the real broker, and readers that see what arrived there."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import uuid

import pytest

from arrivals import RELEASE, Arrived
from kedge import PredictionLogger
from kedge.contracts import Topics, encode
from kedge.settings import Settings
from kedge.streams.topics import create_topics
from services import plain_producer


@pytest.fixture(scope="session")
def settings(kafka, tmp_path_factory):
    """One set of topics for all tests of the SDK: readers begin where the topics end."""
    settings = Settings(
        home=tmp_path_factory.mktemp("sdk"),
        topic_prefix=f"t{uuid.uuid4().hex[:12]}",
        kafka=kafka,
        stream={"partitions": 2},
    )
    create_topics(kafka, settings)
    return settings


@pytest.fixture
def arrived(kafka):
    with contextlib.ExitStack() as stack:

        def make(topic):
            reader = Arrived(kafka, topic)
            stack.callback(reader.close)
            return reader

        yield make


@pytest.fixture
def topics(settings):
    return Topics(settings.topic_prefix)


@pytest.fixture
def predictions(arrived, topics):
    return arrived(topics.predictions)


@pytest.fixture
def outcomes(arrived, topics):
    return arrived(topics.outcomes)


@pytest.fixture
def make_logger(settings):
    with contextlib.ExitStack() as stack:

        def make(source=RELEASE, **options):
            options = {
                "kafka": settings.kafka,
                "topic_prefix": settings.topic_prefix,
                "environment": "test",
                "linger": 0.01,
            } | options
            log = PredictionLogger(source, **options)
            stack.callback(log.close, 1)
            return log

        yield make


@pytest.fixture
def log(make_logger):
    return make_logger()


@pytest.fixture
def produce(settings, topics):
    """Put a message on the topic of releases, as the registry does."""
    client = plain_producer(settings.kafka)

    def put(key, value, topic=topics.releases):
        client.produce(topic, value, key)
        assert client.flush(30) == 0

    return put


@pytest.fixture
def move(produce):
    """Move an alias."""

    def put(model, *, number, generation, alias="production", **options):
        event = {
            "id": f"{model}-{alias}-{generation}",
            "time": generation,
            "model": model,
            "actor": "test",
            "reason": "",
            "alias": {
                "name": alias,
                "generation": generation,
                "to_release": number,
                "model_version": f"model-{number}",
                "code_version": f"code-{number}",
            },
        }
        produce(f"alias/{model}/{alias}", encode("release_event", event), **options)

    return put


@pytest.fixture
def run_script(settings):
    """Run a Python program that logs under this test's topics; its standard output, from JSON."""

    def run(code, *flags):
        environment = {
            **os.environ,
            "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
            "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
        }
        done = subprocess.run(
            [sys.executable, *flags, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def late_broker(kafka):
    """An address at which the broker can be reached only after `appear()`."""
    host, port = kafka["bootstrap.servers"].split(",")[0].rsplit(":", 1)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
    open_sockets = [listener]

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def serve():
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((host, int(port)))
                open_sockets.extend((near, far))
                for ends in ((near, far), (far, near)):
                    threads.append(threading.Thread(target=pump, args=ends))
                    threads[-1].start()

    threads = [threading.Thread(target=serve)]

    class Late:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

        @staticmethod
        def appear():
            listener.listen()
            threads[0].start()

    yield Late
    for each in open_sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
    for thread in threads:
        if thread.ident is not None:
            thread.join()
