"""A partition read from its start to all that is written by now: how a topic becomes a table."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec

from kedge.streams.clients import Options, admin, consumer
from kedge.streams.messages import Incoming, incoming

_TIMEOUT = 30.0
_LONGEST_WAIT = 0.1
_AT_ONCE = 1000
"""Messages."""


class CommittedLog:
    """One partition, from its start or from an offset. Of a compacted topic, `dict` is the table.

    Args:
        kafka: librdkafka options.
        topic: where to read.
        partition: of the topic.
        start: the offset to start at; where it is gone, the first that is left.

    >>> with CommittedLog(kafka, "kedge.releases", 0) as log:  # doctest: +SKIP
    ...     table = dict(log.news())
    """

    def __init__(self, kafka: Options, topic: str, partition: int, start: int = 0) -> None:
        self._admin = admin(kafka)
        # By number: asking for the beginning costs half a second, as librdkafka asks before it
        # knows whom.
        self._where = TopicPartition(topic, partition, start)
        # The group is never joined and nothing is committed: librdkafka wants a name.
        self._consumer: Consumer = consumer(kafka, "kedge.reader", enable_partition_eof=True)
        self._consumer.assign([self._where])
        self._position = start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._consumer.close()

    def news(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Committed keys and values since the last call, of all that is written at this one.

        A value of None means that the key is gone. What was committed may lie behind an open
        transaction, of a process that was killed for example, and readers see it only after that
        has ended. This waits for it: a state without the newest commit is a wrong one.

        Raises:
            KafkaException: the broker does not answer, or a transaction does not end.
        """
        for message in self.arrivals():
            yield message.key or b"", message.value

    def arrivals(self) -> Iterator[Incoming]:
        """As `news`, each message whole.

        Raises:
            KafkaException: the broker does not answer, or a transaction does not end.
        """
        end = self._end()
        patience = time.monotonic() + _TIMEOUT
        while self._position < end:
            for message in self._ready():
                error = message.error()
                if error is None:
                    self._position = int(message.offset() or 0) + 1
                    yield incoming(message)
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    # Ends behind transaction markers, which are no messages.
                    self._position = max(self._position, int(message.offset() or 0))
                elif error.fatal() or time.monotonic() > patience:
                    raise KafkaException(error)
                else:
                    # The client recovers by itself: the broker is away, or the topic is very new.
                    continue
                patience = time.monotonic() + _TIMEOUT
            if time.monotonic() > patience:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - as above

    def _ready(self) -> list[Message]:
        """What is there, as soon as something is: `consume` alone waits until it has all it may."""
        first = self._consumer.poll(_LONGEST_WAIT)
        return [] if first is None else [first, *self._consumer.consume(_AT_ONCE, 0)]

    def _end(self) -> int:
        where = TopicPartition(self._where.topic, self._where.partition)
        # Asked for offsets before it knows the partition's leader, librdkafka looks again after one
        # to three seconds only; asked for the topic, it knows at once.
        self._admin.list_topics(where.topic, timeout=_TIMEOUT)
        (result,) = self._admin.list_offsets(
            {where: OffsetSpec.latest()}, request_timeout=_TIMEOUT
        ).values()
        return int(result.result().offset)
