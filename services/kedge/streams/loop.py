"""The exactly-once micro-batch loop: consume, process, produce, commit in one transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from threading import Event

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from kedge.clock import Clock, microseconds_now
from kedge.contracts import Topics, UnreadableMessageError
from kedge.settings import Settings
from kedge.streams.clients import Options, consumer, producer
from kedge.streams.messages import Incoming, Outgoing, dead_letter, incoming, shortened
from kedge.streams.processor import Processor, Source, TryAgainError
from kedge.streams.watchdog import Watchdog

_log = structlog.get_logger(__name__)

_TIMEOUT = 30.0
_LONGEST_CALL = 45.0
"""Seconds after which a transactional call that has a timeout of 30 is believed to hang."""

_PAUSE = 0.5
"""Seconds to wait before a micro-batch is tried again."""

_TRANSACTION_TIMEOUT_MS = 15_000
"""How long the outputs of a killed process whose name nobody takes over hold readers back."""

_ATTEMPTS = 6
"""To commit what fits: an output is refused, then a letter, and after each once for its number."""

_TOO_LARGE = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE)


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
    letter; so does one with an output that the broker refuses as too large, which no repetition
    would change.

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
        # The topic for which the last transaction had too large a message.
        self._refusing: str | None = None
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
                self._idle()

    def close(self) -> None:
        self._watchdog.close()
        self._consumer.close()

    def _idle(self) -> None:
        done = self._commit(self._processor.idle(self._now()), [])
        if not done and self._refusing is not None:
            # No message brought it that could be given up: this waits for whoever set the limit.
            _log.error("output_too_large", topic=self._refusing)
            self._stop.wait(_PAUSE)

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
                self._one_by_one(batch, repr(error))
                return
            outputs = [self._isolated(batch[0], error)]
            self._restore()
        if self._commit(outputs, batch):
            return
        if self._refusing is None:
            self._rewind(batch)
        elif len(batch) > 1:
            self._one_by_one(batch, f"too large for {self._refusing}")
        else:
            self._commit_what_fits(outputs, batch[0])

    def _one_by_one(self, batch: list[Incoming], why: str) -> None:
        """Find out which of these messages it is."""
        _log.warning("processing_one_by_one", messages=len(batch), error=why)
        self._careful = len(batch)
        self._rewind(batch)

    def _commit_what_fits(self, outputs: list[Outgoing], message: Incoming) -> None:
        """Commit of a lone message what the topics take.

        A dead letter that is too large goes without the bytes of its message. For any other output
        the message becomes a dead letter.
        """
        letters = self._topics.deadletter
        # The client numbers its messages on as if those refused had been taken. For that the next
        # transaction to the same partition is aborted too; the one after it is not.
        for _ in range(_ATTEMPTS):
            if self._refusing == letters:
                outputs = [shortened(o) if o.topic == letters else o for o in outputs]
            elif self._refusing is not None:
                outputs = [self._oversized(message, self._refusing, outputs)]
                self._restore()
            if self._commit(outputs, [message]):
                return
        self._rewind([message])
        self._stop.wait(_PAUSE)

    def _oversized(self, message: Incoming, refusing: str, outputs: Iterable[Outgoing]) -> Outgoing:
        _log.error(
            "dead_letter", partition=message.partition, offset=message.offset, refusing=refusing
        )
        largest = max(len(o.value or b"") for o in outputs if o.topic == refusing)
        return dead_letter(
            self._topics,
            self._source.service,
            message,
            "too_large",
            f"{refusing} takes no message as large as an output of this one, of up to {largest:,} "
            "bytes before compression: raise the topic's max.message.bytes, and replay",
            rows=self._processor.rows(message),
        )

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
        self._refusing = None
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
            if failure.fatal() or not (failure.txn_requires_abort() or self._refusing):
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
                self._producer.produce(
                    output.topic, output.value, output.key, partition, on_delivery=self._delivered
                )
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                # The client refuses by itself what is beyond `message.max.bytes`.
                self._note_refusal(error.args[0], output.topic)
                raise
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._note_refusal(error, str(message.topic()))

    def _note_refusal(self, error: KafkaError, topic: str) -> None:
        if error.code() in _TOO_LARGE:
            self._refusing = topic

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
