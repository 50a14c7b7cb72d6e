"""The newest inputs of a release, from the end of the topic of predictions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from kedge.contracts import PredictionBatch, UnreadableMessageError, decode_predictions
from kedge.rehearsal.inputs import Input, newest_inputs
from kedge.streams.clients import Options, consumer

MOST_BYTES = 64 << 20
"""Of messages that are read, from all partitions together."""

_FIRST_LOOK = 200
"""Messages from the end of each partition; each further look goes ten times as far."""

_Found = tuple[int, Input]  # with its event time

_AT_ONCE = 500
_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Logger:
    """Whose predictions are meant."""

    model: str
    release: int
    environment: str


def last_inputs(
    kafka: Options, topic: str, logger: Logger, most: int, seconds: float
) -> list[Input]:
    """The newest committed inputs of a release by event time, the oldest of them first.

    It looks from the end of each partition backwards, until nothing in it can be newer than those
    that were found, the time is over or `MOST_BYTES` were read. So what has not been logged for
    long may not be found.

    Args:
        kafka: librdkafka options.
        topic: of predictions.
        logger: the release that logged them.
        most: how many.
        seconds: how long it may take.

    Raises:
        KafkaException: the broker does not answer.
    """
    deadline = time.monotonic() + seconds
    # The group is never joined and nothing is committed: librdkafka wants a name.
    client = consumer(kafka, "kedge.rehearsal", enable_partition_eof=True)
    found: dict[int, list[_Found]] = {}
    try:
        ends = _ends(client, topic)
        look, room = _FIRST_LOOK, MOST_BYTES
        while ends and room > 0 and time.monotonic() < deadline:
            starts = {n: max(low, high - look) for n, (low, high) in ends.items()}
            for number, value in _values(client, topic, ends, starts, deadline):
                room -= len(value)
                found.setdefault(number, []).extend(_inputs(value, logger, most))
                if room <= 0:
                    break
            newest = _newest(found, most)
            since = newest[0][0] if len(newest) == most else None
            ends = {
                n: (low, starts[n])
                for n, (low, _) in ends.items()
                if starts[n] > low and _may_be_newer(found.get(n, ()), since)
            }
            look *= 10
    finally:
        client.close()
    return [each for _, each in _newest(found, most)]


def _newest(found: Mapping[int, Sequence[_Found]], most: int) -> list[_Found]:
    everything = [each for of_partition in found.values() for each in of_partition]
    return sorted(everything, key=lambda each: each[0])[-most:]


def _may_be_newer(of_partition: Sequence[_Found], since: int | None) -> bool:
    """Whether what lies before in a partition may belong to the newest of all.

    Not if something that was found in it is older than these: a release logs in the order of its
    event times, about.

    Args:
        of_partition: what was found in it.
        since: the event time that the newest of all go back to; None as long as there are too few.
    """
    return since is None or all(at > since for at, _ in of_partition)


def _ends(client: Consumer, topic: str) -> dict[int, tuple[int, int]]:
    """First offset and the one after the last, by partition; not of those that are empty."""
    partitions = client.list_topics(topic, _TIMEOUT).topics[topic].partitions
    offsets = {
        number: client.get_watermark_offsets(TopicPartition(topic, number), _TIMEOUT)
        for number in partitions
    }
    return {number: place for number, place in offsets.items() if place and place[0] < place[1]}


def _values(
    client: Consumer,
    topic: str,
    ends: dict[int, tuple[int, int]],
    starts: dict[int, int],
    deadline: float,
) -> Iterator[tuple[int, bytes]]:
    """Partition and value of what lies between the starts and the ends, as it arrives."""
    client.assign([TopicPartition(topic, number, start) for number, start in starts.items()])
    left = set(starts)
    while left and time.monotonic() < deadline:
        for message in client.consume(_AT_ONCE, 0.1):
            number = int(message.partition() or 0)
            error = message.error()
            if error is None:
                if int(message.offset() or 0) < ends[number][1] and (value := message.value()):
                    yield number, value
                if int(message.offset() or 0) + 1 >= ends[number][1]:
                    left.discard(number)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                # Of what is committed: an open transaction is not waited for.
                left.discard(number)
            elif error.fatal():
                raise KafkaException(error)


def _inputs(value: bytes, logger: Logger, most: int) -> Iterator[tuple[int, Input]]:
    try:
        batch = decode_predictions(value)
    except UnreadableMessageError:
        return  # a dead letter of the profiler's
    if _is_of(batch, logger):
        newest = newest_inputs(batch, most)
        yield from zip(batch.event_times[-len(newest) :].tolist(), newest, strict=True)


def _is_of(batch: PredictionBatch, logger: Logger) -> bool:
    tags = batch.tags
    return batch.rows > 0 and Logger(tags.model, tags.release, tags.environment) == logger
