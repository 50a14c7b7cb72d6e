"""What was dropped is told by a message of its own, and every reader takes a message of no rows."""

import uuid

import numpy as np
import pytest

from arrivals import RELEASE, until
from kedge import archiver, monitor, profiler
from kedge.archive import connect
from kedge.contracts import (
    PredictionBatch,
    Topics,
    columns_of,
    decode,
    decode_predictions,
    encode_batch,
)
from kedge.profile import reference_of
from kedge.sdk import sender
from kedge.sdk.follower import NoReleaseError
from services import committed, eventually, produce, release_event, running


class Unhappy:
    """Knows its model and, from some time on, its release."""

    model = RELEASE.model
    release = None

    @property
    def live(self):
        if self.release is None:
            raise NoReleaseError("none is live")
        return self.release


def told(batches):
    """What the messages say, in the order of their numbers."""
    return sorted(
        (batch.producer.sequence, batch.rows, batch.producer.dropped) for batch in batches
    )


def drop(log, times):
    for _ in range(times):
        log.prediction(7, 1)  # no features


def test_drops_are_told_at_the_end(make_logger, predictions):
    log = make_logger()
    log.prediction({"x": 1}, 1)
    assert log.flush(30)
    drop(log, 3)
    assert log.close(30)
    assert told(predictions.batches()) == [(0, 1, 0), (1, 0, 3)]
    last = max(predictions.batches(), key=lambda batch: batch.producer.sequence)
    assert last.tags == RELEASE.tags("test")
    assert log.counts.delivered == log.counts.accepted == 1


def test_drops_are_told_while_nothing_else_is_sent(make_logger, predictions, monkeypatch):
    monkeypatch.setattr(sender, "_TELL_AFTER", 0.0)
    log = make_logger()
    drop(log, 2)
    until(lambda: told(predictions.batches())[-1:] and told(predictions.batches())[-1][2] == 2)
    drop(log, 3)
    until(lambda: told(predictions.batches())[-1][2] == 5)


def test_drops_are_told_once_and_not_at_once(make_logger, predictions):
    log = make_logger()
    drop(log, 3)
    log.prediction({"x": 1}, 1)  # tells it
    assert log.close(30)
    assert [row for row in told(predictions.batches()) if row[1] == 0] == []
    assert told(predictions.batches()) == [(0, 1, 3)]


def test_without_a_release_it_is_told_when_there_is_one(make_logger, predictions, monkeypatch):
    monkeypatch.setattr(sender, "_TELL_AFTER", 0.0)
    source = Unhappy()
    log = make_logger(source)
    for _ in range(4):
        log.prediction({"x": 1}, 1)
    until(lambda: log._sender._thread is not None and log._sender.asleep)
    assert predictions.batches() == []
    source.release = RELEASE
    assert log.close(30)
    assert told(predictions.batches()) == [(0, 0, 4)]


def test_nothing_dropped_nothing_told(make_logger, predictions):
    log = make_logger()
    log.outcome("", 1)  # an outcome that is refused: only outcomes tell of outcomes
    assert log.close(30)
    assert predictions.messages == predictions.read() == []


@pytest.fixture
def report(make_logger, predictions):
    """The bytes of a message that tells of drops."""
    log = make_logger()
    drop(log, 3)
    assert log.close(30)
    (message,) = predictions.read()
    return message.value()


def test_the_wire_reads_it(report):
    batch = decode_predictions(report)
    assert (batch.rows, batch.columns, list(batch.ids), batch.errors) == (0, (), [], {})
    assert (batch.producer.sequence, batch.producer.dropped) == (0, 3)


def test_every_service_reads_it(report, make_settings):
    settings = make_settings(archive={"flush_seconds": 0.1})
    topics = Topics(settings.topic_prefix)
    reference = reference_of(columns_of([{"x": float(n)} for n in range(10)], "feature"))
    produce(
        settings.kafka,
        topics.releases,
        [release_event("flights", 3, reference, "model-a", "code-b")],
        key=b"release/flights/3",
    )
    rows = [batch_of(3), report, batch_of(2)]
    produce(settings.kafka, topics.predictions, rows, key=b"all in one partition")
    with running(profiler.run, monitor.run, archiver.run, settings=settings):
        # Nothing but such a message in the archiver's buffer, too.
        for number in range(4):
            produce(settings.kafka, topics.predictions, [report], key=bytes([number]))
        eventually(
            lambda: sum(
                decode(value, "profile")[1]["rows"]
                for value in committed(settings.kafka, topics.profiles)
            ),
            lambda rows: rows == 5,
        )

        def archived():
            with connect(settings.archive_url) as connection:
                return connection.sql("SELECT count(*) FROM predictions").to_arrow_table()

        eventually(lambda: archived().to_pylist()[0].popitem()[1], lambda rows: rows == 5)
    assert committed(settings.kafka, topics.deadletter) == []


def batch_of(rows):
    return encode_batch(
        PredictionBatch(
            RELEASE.tags("test"),
            [str(uuid.uuid4()) for _ in range(rows)],
            np.full(rows, 1_700_000_040_000_000, np.int64),
            np.full(rows, np.nan, np.float32),
            columns_of([{"x": 1.0}] * rows, "feature"),
        )
    )
