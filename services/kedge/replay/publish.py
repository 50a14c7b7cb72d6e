"""A slice of the archive sent to the topics of another prefix, in its order and at a pace."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import duckdb
from confluent_kafka import KafkaError, KafkaException, Message

from kedge.contracts import Topics, decode, encode, encode_batch
from kedge.errors import KedgeError
from kedge.replay.rows import Logged, LoggedOutcome, logged, logged_outcomes
from kedge.replay.singles import singles
from kedge.replay.slices import Slice
from kedge.settings import Settings, micros
from kedge.streams import CommittedLog
from kedge.streams.clients import Options, admin, producer
from kedge.streams.topics import create_topics

_TIMEOUT = 60.0
_LOOK = 0.1
"""Seconds between looks at what the broker has acknowledged."""


@dataclass(slots=True)
class Replayed:
    """What was sent, and acknowledged by the broker.

    Attributes:
        predictions: rows.
        outcomes: messages.
        releases: messages.
        messages: of all topics together.
        shift: microseconds that were added to each time.
    """

    predictions: int = 0
    outcomes: int = 0
    releases: int = 0
    messages: int = 0
    shift: int = 0


def replay(
    archive: duckdb.DuckDBPyConnection,
    kafka: Options,
    settings: Settings,
    wanted: Slice,
    prefix: str,
    *,
    outcomes: bool = True,
    releases: bool = False,
    single: bool = False,
    speed: float | None = None,
    shift_to: int | None = None,
    on_sent: Callable[[int], None] = lambda _: None,
) -> Replayed:
    """Send the predictions of a slice, and what belongs to them, once more.

    Each message has the predictions that came together and goes to the partition that they came
    from, and each partition keeps its order. Topics that are missing are made.

    Args:
        archive: as `kedge.archive.connect` gives it.
        kafka: librdkafka options.
        settings: how topics are made, the prefix in force and the length of a base window.
        wanted: the slice.
        prefix: where to send.
        outcomes: whether to send the outcomes of these predictions.
        releases: whether to send first what the topic in force says of the model's releases.
        single: each prediction as a message of its own, in the `prediction` contract.
        speed: how many times as fast as the events were; None for as fast as can be.
        shift_to: move all times alike, so that a prediction that is sent at this time, in
            microseconds since 1970 UTC, or later at the pace, was just made when it is the newest
            of the slice, and before when it is not. To the base window, so that the windows have
            the rows that they had. None leaves all times as they are.
        on_sent: called with the predictions of each message.

    Raises:
        KedgeError: the slice is empty, a topic has too few partitions, the broker refused a
            message, or not every row was sent.
    """
    extent = wanted.extent(archive)
    if not extent.rows:
        raise KedgeError(
            f"the archive has no predictions of model `{wanted.model}` in this slice: "
            "`kedge sql` shows what there is"
        )
    shift = 0
    if shift_to is not None:
        window = micros(settings.stream.window)
        newest_at = shift_to + round(extent.span / speed if speed else 0)
        shift = (newest_at - extent.newest) // window * window
    _make_topics(kafka, settings, prefix, extent.partitions)
    sender = _Sender(kafka, Topics(prefix), shift, single=single, on_sent=on_sent)
    if releases:
        source = Topics(settings.topic_prefix).releases
        with CommittedLog(kafka, source, 0) as log:
            for key, value in log.news():
                sender.release(wanted.model, key, value)
    streams = [_predictions(archive, wanted)]
    if outcomes:
        streams.append(_outcomes(archive, wanted))
    begun = time.monotonic()
    for message in heapq.merge(*streams, key=lambda each: each.due):
        if speed is not None:
            sender.wait_until(begun + (message.due - extent.oldest) / 1e6 / speed)
        sender.send(message)
    return sender.finish()


def _predictions(
    archive: duckdb.DuckDBPyConnection, wanted: Slice
) -> Iterator[Logged | LoggedOutcome]:
    expected = sent = 0
    for rows in wanted.predictions(archive):
        expected = rows.column("slice_rows")[0].as_py()
        for message in logged(rows):
            sent += message.batch.rows
            yield message
    if sent != expected:
        raise KedgeError(f"{sent} predictions were sent of {expected} in the slice")


def _outcomes(
    archive: duckdb.DuckDBPyConnection, wanted: Slice
) -> Iterator[Logged | LoggedOutcome]:
    for rows in wanted.outcomes(archive):
        yield from logged_outcomes(rows)


class _Sender:
    """Produces messages and counts those that the broker has taken."""

    def __init__(
        self,
        kafka: Options,
        topics: Topics,
        shift: int,
        *,
        single: bool,
        on_sent: Callable[[int], None],
    ) -> None:
        self._producer = producer(kafka)
        self._topics, self._single, self._on_sent = topics, single, on_sent
        self._done = Replayed(shift=shift)
        self._acknowledged = 0
        self._refused: KafkaError | None = None

    def release(self, model: str, key: bytes, value: bytes | None) -> None:
        """Copy an event of the topic of releases, if it is the model's."""
        if value is None:
            return
        _name, event = decode(value, "release_event")
        if event["model"] == model:
            event["time"] += self._done.shift
            self._produce(self._topics.releases, encode("release_event", event), key, 0)
            self._done.releases += 1

    def send(self, message: Logged | LoggedOutcome) -> None:
        shift, partition = self._done.shift, message.partition
        if isinstance(message, LoggedOutcome):
            record = message.record | {"known_at": message.record["known_at"] + shift}
            key = record["prediction_id"].encode()
            self._produce(self._topics.outcomes, encode("outcome", record), key, partition)
            self._done.outcomes += 1
            return
        batch = replace(message.batch, event_times=message.batch.event_times + shift)
        values = (
            [encode("prediction", record) for record in singles(batch)]
            if self._single
            else [encode_batch(batch)]
        )
        for value in values:
            self._produce(self._topics.predictions, value, None, partition)
        self._done.predictions += batch.rows
        self._on_sent(batch.rows)

    def wait_until(self, moment: float) -> None:
        """Serve the client until it is time, by the monotonic clock."""
        while (left := moment - time.monotonic()) > 0:
            self._producer.poll(min(left, _LOOK))

    def finish(self) -> Replayed:
        """What was sent, once the broker has taken all of it."""
        deadline = time.monotonic() + _TIMEOUT
        while len(self._producer) and time.monotonic() < deadline:
            self._producer.poll(_LOOK)
            self._check()
        self._check()
        if self._acknowledged != self._done.messages:
            raise KedgeError(
                f"the broker has taken {self._acknowledged} of {self._done.messages} messages "
                f"within {_TIMEOUT:.0f} s. See `kedge broker status`."
            )
        return self._done

    def _produce(self, topic: str, value: bytes, key: bytes | None, partition: int) -> None:
        while True:
            self._check()
            try:
                self._producer.produce(topic, value, key, partition, on_delivery=self._note)
            except BufferError:
                self._producer.poll(_LOOK)
            except KafkaException as error:
                raise KedgeError(f"the broker refused a message to {topic}: {error}") from error
            else:
                self._done.messages += 1
                self._producer.poll(0)
                return

    def _note(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self._acknowledged += 1
        else:
            self._refused = self._refused or error

    def _check(self) -> None:
        if self._refused is not None:
            raise KedgeError(f"the broker refused a message: {self._refused.str()}")


def _make_topics(kafka: Options, settings: Settings, prefix: str, partitions: int) -> None:
    """Make what is missing of the topics, with room for all partitions of the slice."""
    stream = settings.stream.model_copy(
        update={"partitions": max(partitions, settings.stream.partitions)}
    )
    create_topics(kafka, settings.model_copy(update={"topic_prefix": prefix, "stream": stream}))
    topics = Topics(prefix)
    known = admin(kafka).list_topics(timeout=_TIMEOUT).topics
    for name in (topics.predictions, topics.outcomes):
        if len(known[name].partitions) < partitions:
            raise KedgeError(
                f"{name} has {len(known[name].partitions)} partitions, but the slice comes from "
                f"{partitions}: replay under a prefix that has no topics yet, or add partitions"
            )
