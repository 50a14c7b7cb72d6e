"""Services in this process, and what they put into topics, for tests on the real broker."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from kedge.contracts import encode
from kedge.streams import CommittedLog
from kedge.streams.clients import producer

PATIENCE = 120.0
"""Seconds after which something that should have happened has not."""


@contextmanager
def running(*services, settings):
    """Each service's `run` on a thread; a failure in one of them fails the test."""
    stop, failures = threading.Event(), []

    def guarded(run):
        try:
            run(settings, stop)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(run,)) for run in services]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


def plain_producer(kafka):
    """A producer that sends at once: an idempotent one first waits half a second for a number."""
    return producer(kafka, enable_idempotence=False, max_in_flight=1)


def produce(kafka, topic, values, key=None):
    """Messages with these values, acknowledged by the broker."""
    client, errors = plain_producer(kafka), []
    for value in values:
        client.produce(topic, value, key, on_delivery=lambda error, _: errors.append(error))
    assert client.flush(PATIENCE) == 0
    assert not any(errors), errors


def committed(kafka, topic, partitions=2):
    """Values of every committed message of a topic, partition after partition."""
    found = []
    for partition in range(partitions):
        with CommittedLog(kafka, topic, partition) as log:
            found += [value for _, value in log.news()]
    return found


def eventually(look, wanted, patience=PATIENCE):
    """What `look` gives as soon as `wanted` says so of it."""
    deadline = time.monotonic() + patience
    while not wanted(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.05)
    return seen


def release_event(model, number, reference, model_version="mv", code_version="cv"):
    """The message by which the registry announces a release."""
    record = reference.to_record()
    return encode(
        "release_event",
        {
            "id": f"{model}/{number}",
            "time": 0,
            "model": model,
            "actor": "test",
            "reason": "",
            "release": {
                "number": number,
                "model_version": model_version,
                "code_version": code_version,
                "reference_rows": record.pop("rows"),
                **record,
            },
        },
    )
