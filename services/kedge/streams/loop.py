"""The exactly-once micro-batch loop: consume, process, produce, commit in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from kedge.clock import Clock, microseconds_now
from kedge.contracts import Topics, UnreadableMessageError
from kedge.settings import Settings
from kedge.streams.clients import Options, consumer, producer
from kedge.streams.messages import Incoming, Outgoing, dead_letter, incoming
from kedge.streams.watchdog import Watchdog

_log = structlog.get_logger(__name__)

_TIMEOUT = 30.0
_LONGEST_CALL = 45.0
"""Seconds after which a transactional call that has a timeout of 30 is believed to hang."""

_PAUSE = 0.5
"""Seconds to wait before a micro-batch is tried again."""

_TRANSACTION_TIMEOUT_MS = 15_000
"""How long the outputs of a killed process whose name nobody takes over hold readers back."""


class TryAgainError(Exception):
    """The micro-batch can't be processed now, through no fault of its messages."""


class Processor(Protocol):
    """What a service does with its messages.

    State is kept by partition of the input. Whatever `process` and `idle` change of it has to be
    among their outputs, so that `assigned` finds it again.
    """

    def assigned(self, partition: int) -> None:
        """Take the partition's state from the topics, forgetting what was in memory."""

    def revoked(self, partition: int) -> None:
        """Forget the partition's state."""

    def process(self, batch: Sequence[Incoming]) -> Iterable[Outgoing]:
        """The outputs of a micro-batch.

        Raises:
            UnreadableMessageError: a message can't be read.
            TryAgainError: something else than the messages stands in the way.
        """

    def rows(self, message: Incoming) -> int:
        """Predictions in a message that is given up; 0 where nobody can know."""

    def idle(self, now: int) -> Iterable[Outgoing]:
        """The outputs that time alone brings; `now` is in microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a loop reads, and as whom."""

    topic: str
    service: str
    group: str


def run_transactionally(
    source: Source,
    processor: Processor,
    kafka: Options,
    settings: Settings,
    stop: Event,
    *,
    now: Clock = microseconds_now,
) -> None:
    """Process `source` until `stop` is set.

    Outputs and consumed offsets commit together, so a crash or a rebalance loses and repeats
    nothing. A message that makes the processor raise, alone in its micro-batch, becomes a dead
    letter.

    Raises:
        KafkaException: the client is beyond repair, for example fenced by a process of its name.
    """
    loop = _Loop(source, processor, kafka, settings, stop, now=now)
    try:
        loop.run()
    finally:
        loop.close()


class _Loop:
    def __init__(
        self,
        source: Source,
        processor: Processor,
        kafka: Options,
        settings: Settings,
        stop: Event,
        *,
        now: Clock,
    ) -> None:
        self._source, self._processor, self._stop, self._now = source, processor, stop, now
        self._topics = Topics(settings.topic_prefix)
        self._stream = settings.stream
        # The offset that each partition goes on at.
        self._assigned: dict[int, int] = {}
        # Above zero, so many messages are processed one by one: one of them may be poison.
        self._careful = 0
        self._consumer: Consumer = consumer(kafka, source.group)
        name = settings.stream.instance or uuid.uuid4().hex
        self._producer: Producer = producer(
            kafka,
            transactional_id=f"{source.group}.{name}",
            transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
        )
        self._watchdog = Watchdog(_LONGEST_CALL)

    def run(self) -> None:
        if not self._insist(lambda: self._producer.init_transactions(_TIMEOUT)):
            return
        self._consumer.subscribe(
            [self._source.topic],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        _log.info("started", topic=self._source.topic, group=self._source.group)
        while not self._stop.is_set():
            batch = self._consume()
            if self._stop.is_set():
                break  # partitions that came meanwhile may lack their state: see `_on_assign`
            if batch:
                self._advance(batch)
            else:
                self._commit(self._processor.idle(self._now()), [])

    def close(self) -> None:
        self._watchdog.close()
        self._consumer.close()

    def _consume(self) -> list[Incoming]:
        if self._careful:
            message = self._consumer.poll(self._stream.batch_wait)
            messages = [] if message is None else [message]
            self._careful -= len(messages)
        else:
            messages = self._consumer.consume(self._stream.batch_records, self._stream.batch_wait)
        # A partition that was revoked during this call may be among what the call had gathered.
        return [
            incoming(message)
            for message in messages
            if not _failed(message) and message.partition() in self._assigned
        ]

    def _advance(self, batch: list[Incoming]) -> None:
        try:
            outputs = list(self._processor.process(batch))
        except (TryAgainError, KafkaException) as error:
            _log.warning("trying_again", error=str(error))
            self._rewind(batch)
            self._stop.wait(_PAUSE)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is kept and the stream goes on
            if len(batch) > 1:
                _log.warning("processing_one_by_one", messages=len(batch), error=repr(error))
                self._careful = len(batch)
                self._rewind(batch)
                return
            outputs = [self._isolated(batch[0], error)]
            self._restore()
        if not self._commit(outputs, batch):
            self._rewind(batch)

    def _isolated(self, message: Incoming, error: Exception) -> Outgoing:
        unreadable = isinstance(error, UnreadableMessageError)
        where = {"partition": message.partition, "offset": message.offset}
        _log.error("dead_letter", **where, exc_info=None if unreadable else error)
        return dead_letter(
            self._topics,
            self._source.service,
            message,
            "unreadable" if unreadable else "crashed",
            str(error) if unreadable else repr(error),
            rows=0 if unreadable else self._processor.rows(message),
        )

    def _commit(self, outputs: Iterable[Outgoing], batch: list[Incoming]) -> bool:
        """Commit outputs and offsets together; False when the transaction was aborted.

        1. Begin. 2. Produce. 3. Add the offsets to go on at. 4. Commit.

        Without a batch the offsets are those from before. It is by them that the broker refuses
        the outputs of a process whose partitions have another owner by now.
        """
        outputs = list(outputs)
        if not outputs and not batch:
            return True
        following = self._following(batch)
        try:
            self._producer.begin_transaction()
            for output in outputs:
                self._produce(output)
            offsets = [TopicPartition(self._source.topic, *place) for place in following.items()]
            member = self._consumer.consumer_group_metadata()
            if not self._insist(
                lambda: self._producer.send_offsets_to_transaction(offsets, member, _TIMEOUT)
            ) or not self._insist(lambda: self._producer.commit_transaction(_TIMEOUT)):
                return False
        except KafkaException as error:
            failure: KafkaError = error.args[0]
            if failure.fatal() or not failure.txn_requires_abort():
                raise
            _log.warning("transaction_aborted", error=failure.str())
            self._insist(lambda: self._producer.abort_transaction(_TIMEOUT))
            if not batch:
                self._restore()
            return False
        self._assigned.update(following)
        return True

    def _following(self, batch: Iterable[Incoming]) -> dict[int, int]:
        """The offsets to go on at, from the batch itself: the consumer's position may be further.

        Without a batch they are those from before.
        """
        offsets = {message.partition: message.offset + 1 for message in batch}
        return offsets or dict(self._assigned)

    def _produce(self, output: Outgoing) -> None:
        partition = -1 if output.partition is None else output.partition
        while True:
            try:
                self._producer.produce(output.topic, output.value, output.key, partition)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _insist(self, call: Callable[[], object]) -> bool:
        """Repeat `call` while its failure is passing; False when told to stop meanwhile."""
        while True:
            try:
                with self._watchdog.limited():
                    call()
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
                _log.warning("broker_unavailable", error=error.args[0].str())
                if self._stop.wait(_PAUSE):
                    return False
            else:
                return True

    def _rewind(self, batch: list[Incoming]) -> None:
        """Read the batch again, with the state from before it: an abort does neither by itself."""
        first: dict[int, int] = {}
        for message in batch:
            first.setdefault(message.partition, message.offset)
        for partition, offset in first.items():
            if partition in self._assigned:
                self._consumer.seek(TopicPartition(self._source.topic, partition, offset))
        self._restore()

    def _restore(self) -> None:
        for partition in self._assigned:
            self._processor.assigned(partition)

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        # A former owner may be in the middle of a commit. This waits until its offsets are stable:
        # read before that, the state could lack what those offsets say was processed.
        while not self._stop.is_set():
            try:
                partitions = client.committed(partitions, timeout=_TIMEOUT)
                break
            except KafkaException as error:
                _log.warning("broker_unavailable", error=error.args[0].str())
        for partition in partitions:
            self._processor.assigned(partition.partition)
            # Below zero: none is committed yet.
            self._assigned[partition.partition] = max(partition.offset, 0)
        _log.info("assigned", partitions=sorted(self._assigned))

    def _on_revoke(self, _client: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._assigned.pop(partition.partition, None)
            self._processor.revoked(partition.partition)
        _log.info("revoked", partitions=sorted(p.partition for p in partitions))


def _failed(message: Message) -> bool:
    """Whether it is an error of the client; it recovers by itself from all but the fatal ones."""
    error = message.error()
    if error is None:
        return False
    if error.fatal():
        raise KafkaException(error)
    _log.warning("broker_unavailable", error=error.str())
    return True
