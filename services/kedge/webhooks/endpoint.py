"""One endpoint: a consumer group of its own, and every notification on its own retry schedule."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from kedge.contracts import Topics, UnreadableMessageError, decode
from kedge.streams import Incoming, Outgoing, dead_letter, incoming
from kedge.streams.clients import Options, consumer, producer
from kedge.webhook_settings import WebhookSettings
from kedge.webhooks.attempts import Attempt, client, pause, post
from kedge.webhooks.notification import Notification
from kedge.webhooks.positions import Positions
from kedge.webhooks.request import Destination

_TIMEOUT = 30.0
_POLL = 0.2
_MOST_WAITING = 1000
"""Notifications that wait for their next attempt; beyond it, no more are read."""

Send = Callable[[dict[str, str], bytes], Attempt]

_log = structlog.get_logger(__name__)


@dataclass(order=True, slots=True)
class _Delivery:
    """A notification on its way. The next attempt that is due comes first."""

    due: float
    message: Incoming = field(compare=False)
    id: str = field(compare=False)
    body: bytes = field(compare=False)
    attempts: int = field(compare=False, default=0)


class Endpoint:
    """Delivers notifications to one endpoint, each at least once.

    They wait for their next attempt side by side, so one that the endpoint refuses holds back
    none of the others. The committed offset stays at the first that is still on its way; after a
    crash, those behind it that were delivered are delivered again, by the same id.
    """

    def __init__(
        self,
        destination: Destination,
        settings: WebhookSettings,
        kafka: Options,
        topics: Topics,
    ) -> None:
        self._destination, self._settings = destination, settings
        self._webhook = destination.webhook
        self._kafka, self._topics = kafka, topics
        self._waiting: list[_Delivery] = []
        self._positions = Positions()
        self._given_up = 0
        self._log = _log.bind(endpoint=self._webhook.name)

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set, or until the endpoint says that it is gone."""
        group = f"{self._topics.prefix}.webhooks.{self._webhook.name}"
        reader = consumer(self._kafka, group)
        try:
            # From the start: there is nothing in the topic for an endpoint that is new.
            reader.subscribe(
                [self._topics.notifications], on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            self._log.info("started", group=group)
            with client(self._settings) as http:
                self._deliver(reader, stop, partial(post, http, self._destination.url))
        finally:
            reader.close()

    def _deliver(self, reader: Consumer, stop: Event, send: Send) -> None:
        paused = False
        while not stop.is_set():
            full = len(self._waiting) >= _MOST_WAITING
            if full != paused:
                (reader.pause if full else reader.resume)(reader.assignment())
                paused = full
            message = reader.poll(self._patience())
            if message is not None:
                self._take(message)
            # One attempt a round: between two that time out, the group has to hear of us.
            if self._waiting and self._waiting[0].due <= time.monotonic():
                delivery = heapq.heappop(self._waiting)
                attempt = self._try(delivery, send)
                if attempt.gone:
                    self._log.error(
                        "endpoint_gone",
                        answer=attempt.answer,
                        detail="no more is sent there until the service is started again: "
                        "mend the endpoint, or take it out of the policy",
                    )
                    return
            self._commit(reader)

    def _try(self, delivery: _Delivery, send: Send) -> Attempt:
        headers = self._destination.headers(delivery.id, int(time.time()), delivery.body)
        attempt = send(headers, delivery.body)
        delivery.attempts += 1
        told = {"notification": delivery.id, "attempt": delivery.attempts, "answer": attempt.answer}
        if attempt.delivered:
            self._log.info("delivered", **told)
            self._done(delivery)
        elif not attempt.gone:
            self._again(delivery, attempt, told)
        return attempt

    def _again(self, delivery: _Delivery, attempt: Attempt, told: dict[str, object]) -> None:
        schedule = self._webhook.retry_seconds
        seconds = pause(schedule, delivery.attempts, attempt.retry_after)
        if seconds is None:
            self._given_up += 1
            self._log.error("given_up", **told, given_up=self._given_up)
            detail = (
                f"endpoint {self._webhook.name} did not take notification {delivery.id} in "
                f"{delivery.attempts} attempts; at last: {attempt.answer}"
            )
            self._bury(delivery.message, "webhook_given_up", detail)
            self._done(delivery)
            return
        self._log.warning("not_delivered", **told, again_in_seconds=round(seconds, 1))
        delivery.due = time.monotonic() + seconds
        heapq.heappush(self._waiting, delivery)

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            if error.fatal():
                raise KafkaException(error)
            self._log.warning("broker_unavailable", error=error.str())
            return
        taken = incoming(message)
        self._positions.begin(taken.partition, taken.offset)
        try:
            _name, record = decode(taken.value, "notification")
            if record["endpoint"] == self._webhook.name:
                body = self._destination.body(Notification.from_record(record))
                delivery = _Delivery(time.monotonic(), taken, record["id"], body)
                heapq.heappush(self._waiting, delivery)
                return
        except UnreadableMessageError as unreadable:
            self._bury(taken, "unreadable", str(unreadable))
        self._positions.done(taken.partition, taken.offset)

    def _patience(self) -> float:
        if not self._waiting:
            return _POLL
        return min(max(self._waiting[0].due - time.monotonic(), 0.0), _POLL)

    def _done(self, delivery: _Delivery) -> None:
        self._positions.done(delivery.message.partition, delivery.message.offset)

    def _commit(self, reader: Consumer) -> None:
        advanced = self._positions.advanced()
        if not advanced:
            return
        topic = self._topics.notifications
        offsets = [TopicPartition(topic, *position) for position in advanced.items()]
        try:
            reader.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # The broker is away or the group is being shared out anew: the next round tries again.
            if error.args[0].fatal():
                raise
            self._log.warning("not_committed", error=error.args[0].str())
        else:
            self._positions.committed(advanced)

    def _bury(self, message: Incoming, reason: str, detail: str) -> None:
        letter: Outgoing = dead_letter(self._topics, "webhooks", message, reason, detail)
        writer = producer(self._kafka)
        writer.produce(letter.topic, letter.value, letter.key)
        if writer.flush(_TIMEOUT):
            raise RuntimeError(f"the broker did not take a dead letter: {detail}")

    def _on_revoke(self, reader: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit(reader)
        self._on_lost(reader, partitions)

    def _on_lost(self, _reader: Consumer, partitions: list[TopicPartition]) -> None:
        lost = {partition.partition for partition in partitions}
        for partition in lost:
            self._positions.forget(partition)
        self._waiting = [each for each in self._waiting if each.message.partition not in lost]
        heapq.heapify(self._waiting)
