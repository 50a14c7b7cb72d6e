"""The publisher: what the registry's transactions wrote in the outbox, sent to the stream in order.

Every event arrives at least once. It may arrive again, with the same id and the same bytes, when a
publisher died after the broker took it and before the database knew.

A second publisher, or a restarted one, takes over by the transactional id: from then on the broker
takes nothing more of the older one, which ends with `FencedError`. Otherwise one that was asleep
could send an old move after a newer one, and the compacted topic would keep the wrong one. Whoever
takes over looks into the outbox after that, so the last message of a key is always the newest move.
This holds too if two supervisors go on restarting theirs against each other; they only waste time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import TracebackType
from typing import Self

import structlog
from confluent_kafka import KafkaError, KafkaException
from sqlalchemy import select, update

from kedge.broker import connection
from kedge.clock import Clock, microseconds_now
from kedge.contracts import Topics
from kedge.errors import KedgeError
from kedge.registry.database import Database, DatabaseUnavailableError
from kedge.registry.tables import outbox
from kedge.settings import Settings
from kedge.streams.clients import Options, producer
from kedge.streams.topics import create_topics

_BATCH = 100
"""Events in one transaction: at their longest, they stay below what a producer queues."""

_PATIENCE = 1.0
"""Seconds to wait for the broker before looking whether to stop."""

_PAUSE = 1.0
"""Seconds before a new attempt after a failure."""

_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)  # noqa: SLF001 - librdkafka's own codes are spelt so

_log = structlog.get_logger(__name__)


class FencedError(KedgeError):
    """Another publisher has taken over."""


class Publisher:
    """Publishes a registry's outbox. The newest publisher of a topic prefix is the only one."""

    def __init__(
        self,
        database: Database,
        kafka: Options,
        settings: Settings,
        *,
        now: Clock = microseconds_now,
    ) -> None:
        self._database = database
        self._topic = Topics(settings.topic_prefix).releases
        self._now = now
        self._name = f"{settings.topic_prefix}.registry.outbox"
        self._producer = producer(
            kafka,
            transactional_id=self._name,
            # What a publisher that died has begun holds back every reader for this long at most.
            transaction_timeout_ms=10_000,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go. What was begun and not committed will be published by the next one."""
        # The client's own close() would try to abort, and wait for a broker that may be away; the
        # next one to take over has it aborted anyway.
        self._producer.purge()

    def take_over(self, stop: threading.Event) -> None:
        """Become the only publisher, as soon as the broker answers."""
        _until_answered(self._producer.init_transactions, stop)

    def publish_pending(self, stop: threading.Event) -> int:
        """Publish what is pending, the oldest first.

        Returns:
            How many events were published.

        Raises:
            FencedError: another publisher has taken over.
            KafkaException: the broker failed, or `stop` was set while it did not answer. What was
                published is not marked and comes again; this publisher can't go on.
            DatabaseUnavailableError: likewise of the database, but this publisher can go on.
        """
        published = 0
        while events := self._pending():
            try:
                self._send([(key, value) for _, key, value in events], stop)
            except KafkaException as error:
                if error.args[0].code() in _FENCED:
                    raise FencedError(
                        f"another publisher has taken over `{self._name}`: this one ends. Run one "
                        "`kedge up`, or one `kedge run registry`, for each topic prefix"
                    ) from error
                raise
            self._mark([sequence for sequence, _, _ in events])
            published += len(events)
        return published

    def _pending(self) -> list[tuple[int, str, bytes]]:
        with self._database.read() as database:
            rows = database.execute(
                select(outbox.c.sequence, outbox.c.key, outbox.c.value)
                .where(outbox.c.published_at.is_(None))
                .order_by(outbox.c.sequence)
                .limit(_BATCH)
            )
            return [(row.sequence, row.key, row.value) for row in rows]

    def _send(self, messages: list[tuple[str, bytes]], stop: threading.Event) -> None:
        self._producer.begin_transaction()
        for key, value in messages:
            self._producer.produce(self._topic, value, key)
        _until_answered(self._producer.commit_transaction, stop)

    def _mark(self, sequences: list[int]) -> None:
        with self._database.write() as database:
            database.execute(
                update(outbox)
                .where(outbox.c.sequence.in_(sequences))
                .values(published_at=self._now())
            )


def publish_pending(settings: Settings) -> int:
    """Publish what is pending now, as the only publisher.

    Returns:
        How many events were published.
    """
    stop = threading.Event()
    kafka = connection(settings)
    with closing(Database.open(settings)) as database, Publisher(database, kafka, settings) as once:
        once.take_over(stop)
        return once.publish_pending(stop)


def run(settings: Settings, stop: threading.Event) -> None:
    """Publish the outbox until `stop`; outages of broker and database are waited for.

    Raises:
        FencedError: another publisher has taken over.
    """
    said = ""
    while not stop.is_set():
        try:
            with (
                closing(Database.open(settings)) as database,
                _publishing(database, settings, stop) as publisher,
            ):
                said = ""
                while not stop.is_set():
                    published = publisher.publish_pending(stop)
                    if published:
                        _log.info("published", events=published)
                    stop.wait(settings.registry.poll)
        except (KafkaException, _NoBrokerError, DatabaseUnavailableError) as error:
            # Once an outage, not once an attempt.
            if str(error) != said and not stop.is_set():
                said = str(error)
                _log.warning("waiting", error=said)
            stop.wait(_PAUSE)


class _NoBrokerError(Exception):
    """There is no broker, or it does not answer."""


@contextmanager
def _publishing(
    database: Database, settings: Settings, stop: threading.Event
) -> Iterator[Publisher]:
    """A publisher that has taken over, and a topic to publish to."""
    try:
        # An embedded broker may come back on another port, so it is asked for every time.
        kafka = connection(settings)
    except KedgeError as error:
        raise _NoBrokerError(str(error)) from error
    with Publisher(database, kafka, settings) as publisher:
        publisher.take_over(stop)
        try:
            # Before the first message: a topic that the broker makes by itself is not compacted.
            create_topics(kafka, settings)
        except KedgeError as error:
            raise _NoBrokerError(str(error)) from error
        _log.info("publishing", topic=Topics(settings.topic_prefix).releases)
        yield publisher


def _until_answered(call: Callable[[float], None], stop: threading.Event) -> None:
    """Repeat a transactional call while the broker does not answer; it goes on where it was."""
    while True:
        try:
            call(_PATIENCE)
        except KafkaException as error:
            if stop.is_set() or not error.args[0].retriable():
                raise
        else:
            return
