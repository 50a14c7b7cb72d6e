import contextlib
import logging
import os
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import KafkaError, KafkaException

from arrivals import until
from kedge.contracts import Topics, decode_predictions
from kedge.sdk import backlog, delivery
from kedge.sdk.connection import new_producer
from services import committed

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


def test_without_a_broker_callers_are_unharmed_and_memory_is_bounded(make_logger):
    # librdkafka takes one message of ten rows, one waits for room, the queue holds a hundred.
    log = make_logger(
        kafka=NOWHERE | {"queue.buffering.max.messages": 1}, queue_events=100, batch_rows=10
    )
    for number in range(2000):
        assert log.prediction({"x": number}, 1)
        assert log.counts.pending <= 100 + 10 + 10
    ids = log.batch({"x": np.arange(500.0)}, np.zeros(500))
    log.outcome("a", 1)
    assert len(ids) == 500
    counts = log.counts
    assert counts.accepted + counts.queue_full == 2501
    assert counts.queue_full >= 2501 - 120
    assert counts.delivered == 0
    assert not log.flush(0.05)
    assert not log.close(0.1)
    assert log.counts.pending == 0
    assert log.counts.undelivered == log.counts.accepted == counts.accepted


def test_a_batch_larger_than_the_room_is_taken_in_part(make_logger):
    log = make_logger(kafka=NOWHERE, queue_events=100)
    assert len(log.batch({"x": np.arange(250.0)}, np.zeros(250))) == 250
    assert (log.counts.accepted, log.counts.queue_full) == (100, 150)
    assert not log.close(0)


def test_a_broker_that_comes_late_gets_everything(make_logger, late_broker, predictions, caplog):
    with caplog.at_level(logging.WARNING, "kedge.sdk"):
        log = make_logger(kafka={"bootstrap.servers": late_broker.address})
        ids = [log.prediction({"x": number}, 1) for number in range(700)]
        ids += log.batch({"x": np.arange(300.0)}, np.zeros(300))
        assert not log.flush(0.1)
        until(lambda: any("waits in the queue" in line for line in caplog.messages))
    assert log.counts.delivered == 0
    late_broker.appear()
    assert log.flush(60)
    assert set(predictions.rows()) == set(ids)
    assert log.counts.delivered == 1000
    assert log.counts.dropped == 0


def cut(port):
    """End every connection of this process to a port, as a network would that fails."""
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if entry.is_socket():
                # The descriptor is librdkafka's: this closes no more than a copy.
                with socket.socket(fileno=os.dup(int(entry.name))) as end:
                    inet = end.family in (socket.AF_INET, socket.AF_INET6)
                    if inet and end.getpeername()[1] == port:
                        end.shutdown(socket.SHUT_RDWR)


@pytest.mark.skipif(sys.platform != "linux", reason="sockets are found in /proc")
@pytest.mark.parametrize("spooled", [False, True])
def test_connections_that_are_cut_cost_nothing(make_logger, kafka, settings, tmp_path, spooled):
    log = make_logger(spool=tmp_path / "spool" if spooled else None, batch_rows=20)
    port = int(kafka["bootstrap.servers"].split(",")[0].rsplit(":", 1)[1])
    ids = []
    for _ in range(5):
        before = log.counts.delivered
        ids += [log.prediction({"x": number}, 1) for number in range(1000)]
        until(lambda before=before: log.counts.delivered > before)
        cut(port)
    assert log.flush(60)
    logged = set(ids)
    found = [
        name
        for value in committed(kafka, Topics(settings.topic_prefix).predictions)
        for name in decode_predictions(value).ids
        if name in logged
    ]
    assert sorted(found) == sorted(ids)
    assert (log.counts.delivered, log.counts.dropped) == (5000, 0)


def test_a_message_that_the_broker_does_not_take_in_time_is_counted(make_logger):
    log = make_logger(kafka=NOWHERE | {"message.timeout.ms": 200})
    for number in range(10):
        log.prediction({"x": number}, 1)
        log.outcome(str(number), 1)
    assert log.flush(60)
    assert (log.counts.undelivered, log.counts.delivered, log.counts.pending) == (20, 0, 0)


@pytest.mark.parametrize("option", ["queue.buffering.max.kbytes", "queue.buffering.max.messages"])
def test_room_in_the_client_may_be_small(make_logger, predictions, kafka, option):
    log = make_logger(kafka=kafka | {option: 1}, batch_rows=5)
    ids = [log.prediction({"x": number}, 1) for number in range(3000)]
    assert log.flush(60)
    assert set(predictions.rows()) == set(ids)


class FailsOnce:
    """The real client, until one call finds it done for ever, as after a fatal error."""

    made = 0

    def __init__(self, *arguments):
        self._client = new_producer(*arguments)
        FailsOnce.made += 1
        self._calls_left = 3 if FailsOnce.made == 1 else 10**9

    def produce(self, *arguments, **options):
        self._calls_left -= 1
        if self._calls_left < 0:
            raise KafkaException(KafkaError(KafkaError._FATAL))
        self._client.produce(*arguments, **options)

    def __getattr__(self, name):
        return getattr(self._client, name)


def test_a_client_with_a_fatal_error_is_replaced(make_logger, predictions, monkeypatch):
    monkeypatch.setattr(delivery, "new_producer", FailsOnce)
    monkeypatch.setattr(FailsOnce, "made", 0)
    log = make_logger(batch_rows=10)
    first = [log.prediction({"x": number}, 1) for number in range(30)]
    assert log.flush(30)
    ids = first + [log.prediction({"x": number}, 1) for number in range(100)]
    assert log.flush(30)
    assert FailsOnce.made == 2
    assert set(predictions.rows()) == set(ids)
    assert log.counts.delivered == 130


def test_with_a_spool_such_a_client_costs_nothing(make_logger, predictions, monkeypatch, tmp_path):
    monkeypatch.setattr(delivery, "new_producer", FailsOnce)
    monkeypatch.setattr(FailsOnce, "made", 0)
    monkeypatch.setattr(backlog, "_LOOK", 0.1)
    log = make_logger(batch_rows=10, spool=tmp_path / "spool")
    ids = [log.prediction({"x": number}, 1) for number in range(130)]
    until(lambda: log.counts.delivered == 130)
    assert FailsOnce.made == 2
    # What was on its way when the client failed may have arrived before.
    assert {name for batch in predictions.batches() for name in batch.ids} == set(ids)
    assert log.close(30)
    assert log.counts.dropped == 0


def test_missing_topics_are_said(make_logger, monkeypatch, caplog):
    monkeypatch.setattr(delivery, "_PATIENCE", 0.1)
    with caplog.at_level(logging.WARNING, "kedge.sdk"):
        log = make_logger(topic_prefix="nobody.made.these")
        log.prediction({"x": 1}, 1)
        until(lambda: any("were the topics created?" in line for line in caplog.messages))
    assert (log.counts.pending, log.counts.dropped) == (1, 0)
    assert not log.close(0.1)
