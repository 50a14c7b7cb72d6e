"""The archiver: predictions, outcomes, statistics, alerts and releases become Parquet files.

Each row once, whatever is killed when: `kedge.archive.partition` has how. The archive says what was
archived; the group's offsets in Kafka are committed for those who look at the lag.

Where a message can't be read, it is a dead letter once: those of `outcomes` are this service's,
those of `predictions` the profiler's, which reads them too. So two sums hold at any time at which
everything has caught up, and `kedge doctor` shows them:

- predictions archived = predictions profiled + `rows` of the dead letters of the profiler +
  predictions that came again, which the profiler does not count and the archive has twice;
- predictions sent = predictions archived + those in messages that nobody can read. The dead letters
  of these have the reason `unreadable` and 0 `rows`; a producer of single predictions sends as many
  as there are of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
    Uuid,
)

from kedge.archive import SCHEMAS, ColumnLedger, PartitionWriter, open_archive, prepare
from kedge.broker import connection
from kedge.contracts import Topics, UnreadableMessageError
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams import dead_letter, incoming
from kedge.streams.clients import Options, admin, consumer, producer

_log = structlog.get_logger(__name__)

_TIMEOUT = 30.0
_LOOK = 0.1
"""Seconds between looks at what is due."""

_MOST_BYTES = 64 * 1024 * 1024
"""Messages held before the fullest partition is written, however few rows they have."""

T = TypeVar("T")
_Place = tuple[str, int]


def run(settings: Settings, stop: Event) -> None:
    """Run one archiver until `stop` is set; any number share the partitions."""
    archiver = _Archiver(connection(settings), settings, stop)
    try:
        archiver.run()
    finally:
        archiver.close()


@dataclass(slots=True)
class _Assigned:
    """A partition of ours, and when the oldest of its messages that wait for their file came."""

    writer: PartitionWriter
    since: float | None = None


class _Archiver:
    def __init__(self, kafka: Options, settings: Settings, stop: Event) -> None:
        self._stop = stop
        self._settings = settings.archive
        self._topics = Topics(settings.topic_prefix)
        self._datasets = {getattr(self._topics, dataset): dataset for dataset in SCHEMAS}
        self._store = open_archive(settings.archive_url)
        self._ledger = ColumnLedger(self._store)
        self._assigned: dict[_Place, _Assigned] = {}
        self._admin = admin(kafka)
        self._producer = producer(kafka)
        self._consumer: Consumer = consumer(
            kafka,
            f"{settings.topic_prefix}.archiver",
            # The archive says where to start. Should Kafka have lost that place, we want to know.
            auto_offset_reset="error",
            # Where a range is read again, its end may be transaction markers and no message.
            enable_partition_eof=True,
        )

    def run(self) -> None:
        prepare(self._store)
        self._consumer.subscribe(
            list(self._datasets),
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )
        _log.info("started", archive=self._store.url)
        look = time.monotonic() + _LOOK
        while not self._stop.is_set():
            # One by one: a list could hold messages from before a seek or a rebalance.
            message = self._consumer.poll(_LOOK)
            if message is not None:
                self._take(message)
            if time.monotonic() >= look:
                self._flush_old()
                look = time.monotonic() + _LOOK
        for place in list(self._assigned):
            self._flush(place)

    def close(self) -> None:
        # What is in memory after a failure is better read again than written.
        self._assigned.clear()
        self._consumer.close()

    def _take(self, message: Message) -> None:
        place = (str(message.topic()), int(message.partition() or 0))
        offset = int(message.offset() or 0)
        mine = self._assigned.get(place)
        error = message.error()
        if error is not None:
            self._note(error, place, offset)
            return
        if mine is None:
            return
        self._end_replay(place, offset)
        if mine.since is None:
            mine.since = time.monotonic()
        try:
            mine.writer.add(offset, message.value())
        except UnreadableMessageError as problem:
            if mine.writer.dataset == "outcomes" and not mine.writer.replaying:
                self._give_up(message, str(problem))
        self._end_replay(place, offset + 1)
        self._flush_much()

    def _note(self, error: KafkaError, place: _Place, offset: int) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
            self._end_replay(place, offset)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET and place in self._assigned:  # noqa: SLF001
            # Kafka deleted what we were about to read.
            self._flush(place)
            self._move(place)
        elif error.fatal():
            raise KafkaException(error)
        else:
            _log.warning("broker_unavailable", error=error.str())

    def _end_replay(self, place: _Place, offset: int) -> None:
        """Finish the range that is read again, if `offset` is beyond it."""
        mine = self._assigned.get(place)
        if mine is None or not mine.writer.replay_ends_before(offset):
            return
        lost = mine.writer.finish_replay()
        mine.since = None
        _log.info("archived_again", **_named(place), next=mine.writer.next)
        if lost:
            _log.error("lost", **_named(place), messages=lost)

    def _give_up(self, message: Message, detail: str) -> None:
        letter = dead_letter(self._topics, "archiver", incoming(message), "unreadable", detail)
        self._producer.produce(
            letter.topic, letter.value, letter.key, on_delivery=_raise_undelivered
        )

    def _flush_much(self) -> None:
        """Write what is too much to hold."""
        open_ = {k: mine.writer for k, mine in self._assigned.items() if not mine.writer.replaying}
        if sum(writer.rows for writer in open_.values()) >= self._settings.flush_records:
            self._write(max(open_, key=lambda place: open_[place].rows))
        elif sum(writer.bytes for writer in open_.values()) >= _MOST_BYTES:
            self._write(max(open_, key=lambda place: open_[place].bytes))

    def _flush_old(self) -> None:
        """Write what has waited long enough."""
        due = time.monotonic() - self._settings.flush_seconds
        for place, mine in list(self._assigned.items()):
            if mine.since is not None and mine.since <= due:
                self._write(place)

    def _write(self, place: _Place) -> None:
        if not self._flush(place):
            self._move(place)

    def _flush(self, place: _Place) -> bool:
        """Write what is held of one partition; False when another archiver has it already."""
        mine = self._assigned[place]
        writer = mine.writer
        if writer.replaying or not writer.messages:
            return True
        # 1. Dead letters, as a range that is claimed is never given up again. 2. The files.
        # 3. The offset, for those who look at the lag.
        if self._producer.flush(_TIMEOUT):
            raise KedgeError(
                f"dead letters could not be delivered to {self._topics.deadletter} "
                f"within {_TIMEOUT:.0f} s. See `kedge broker status`."
            )
        rows, unreadable, end = writer.rows, writer.unreadable, writer.next
        mine.since = None
        if not writer.flush():
            _log.warning("overtaken", **_named(place), next=end)
            return False
        _log.info("archived", **_named(place), next=end, rows=rows, unreadable=unreadable)
        try:
            self._consumer.commit(offsets=[TopicPartition(*place, end)], asynchronous=False)
        except KafkaException as error:
            _log.debug("offset_not_committed", **_named(place), error=str(error))
        return True

    def _move(self, place: _Place) -> None:
        """Go on where the archive says."""
        mine = self._assigned[place]
        mine.since = None
        self._consumer.seek(TopicPartition(*place, self._start(place, mine.writer)))

    def _start(self, place: _Place, writer: PartitionWriter) -> int:
        earliest, end = self._answer(
            lambda: self._consumer.get_watermark_offsets(TopicPartition(*place), _TIMEOUT)
        )
        start = writer.resume(earliest)
        if start > writer.next:
            _log.error("lost", **_named(place), first=writer.next, next=start)
        if start > end:
            raise KedgeError(
                f"partition {place[1]} of {place[0]} ends at offset {end}, but {start} was "
                f"archived already under {self._store.url}: the broker lost messages. Restore it, "
                "or archive elsewhere (KEDGE_ARCHIVE__URL)."
            )
        return start

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        ids = self._topic_ids({each.topic for each in partitions})
        for each in partitions:
            place = (each.topic, each.partition)
            writer = PartitionWriter(
                self._store,
                self._ledger,
                self._datasets[each.topic],
                ids[each.topic],
                each.partition,
            )
            each.offset = self._start(place, writer)
            self._assigned[place] = _Assigned(writer)
        client.incremental_assign(partitions)
        _log.info("assigned", partitions=_listed(partitions))

    def _on_revoke(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            place = (each.topic, each.partition)
            if place in self._assigned:
                self._flush(place)
                del self._assigned[place]
        client.incremental_unassign(partitions)
        _log.info("revoked", partitions=_listed(partitions))

    def _on_lost(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        # Somebody else reads them by now.
        for each in partitions:
            self._assigned.pop((each.topic, each.partition), None)
        client.incremental_unassign(partitions)
        _log.warning("lost_partitions", partitions=_listed(partitions))

    def _topic_ids(self, names: Iterable[str]) -> dict[str, str]:
        wanted = TopicCollection(list(names))

        def ask() -> dict[str, str]:
            described = self._admin.describe_topics(wanted, request_timeout=_TIMEOUT)
            return {name: _id_text(future.result().topic_id) for name, future in described.items()}

        return self._answer(ask)

    def _answer(self, ask: Callable[[], T]) -> T:
        """What the broker answers; asked again for a while, as a new topic has no leader yet."""
        deadline = time.monotonic() + _TIMEOUT
        while True:
            try:
                return ask()
            except KafkaException as error:
                if self._stop.is_set() or time.monotonic() >= deadline:
                    # Not by itself: out of a callback, the client makes no exception of it.
                    raise KedgeError(
                        f"the broker does not answer: {error}. See `kedge broker status`."
                    ) from error
                _log.warning("broker_unavailable", error=str(error))
                self._stop.wait(_LOOK)


def _id_text(topic_id: Uuid) -> str:
    """As Kafka itself writes it. librdkafka's text may have a slash, which no file name can."""
    return str(topic_id).replace("/", "_").replace("+", "-")


def _named(place: _Place) -> dict[str, str | int]:
    return {"topic": place[0], "partition": place[1]}


def _listed(partitions: Iterable[TopicPartition]) -> list[str]:
    return sorted(f"{each.topic}/{each.partition}" for each in partitions)


def _raise_undelivered(error: KafkaError | None, _message: Message) -> None:
    if error is not None:
        raise KedgeError(f"a dead letter could not be delivered: {error}")
