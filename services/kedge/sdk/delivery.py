"""The Kafka client of one logger: what is handed to it, and what is on its way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from kedge.sdk import lifetimes
from kedge.sdk.connection import Options, new_producer
from kedge.sdk.messages import Message, said
from kedge.sdk.tally import Tally

Settled = Callable[[KafkaError | None], None]
"""Called with None when the broker has a message, and with the reason when it did not take it."""

_POLL = 0.02
_RETRY = 0.05
_NO_CLIENT = 1.0
_PURGING = 1.0
_PATIENCE = 30.0


class Delivery:
    """Messages to the broker, by one thread.

    Whoever holds this holds the client: a forked child must not end its parent's.

    Attributes:
        sent: messages handed to librdkafka so far.
    """

    def __init__(self, kafka: Options, tally: Tally) -> None:
        self._kafka = kafka
        self._tally = tally
        self.sent = 0
        # When each message was handed to librdkafka, in that order.
        self._on_the_way: dict[int, float] = {}
        self._producer = self._open()

    @property
    def busy(self) -> bool:
        """Whether something is on its way."""
        return bool(self._on_the_way)

    @property
    def first(self) -> float:
        """Number of the first message that is on its way; infinite if there is none."""
        return next(iter(self._on_the_way), math.inf)

    def offer(self, message: Message, settled: Settled) -> bool:
        """Hand a message to librdkafka; False if there is no room for it."""
        number = self.sent + 1

        def delivered(error: KafkaError | None, _message: Any) -> None:
            self._on_the_way.pop(number, None)
            settled(error)

        while True:
            try:
                self._producer.produce(
                    message.topic, message.value, message.key, on_delivery=delivered
                )
            except BufferError:
                return False
            except KafkaException as problem:
                error = problem.args[0]
                if error.code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
                    # This client is done for ever: what it still has comes back, the next may work.
                    self.give_up()
                    time.sleep(_RETRY)
                    self._producer = self._open()
                    continue
                self.sent = number
                settled(error)
                return True
            break
        self.sent = number
        self._on_the_way[number] = time.monotonic()
        self._producer.poll(0)
        return True

    def poll(self, seconds: float = 0.0) -> None:
        """Hear of what was sent; return early if there is news."""
        self._producer.poll(seconds)

    def wait_for_room(self) -> None:
        """Hear of what was sent, for a moment."""
        self._producer.poll(_RETRY)

    def give_up(self) -> None:
        """Everything on its way comes back."""
        if not self._on_the_way:
            return
        self._producer.purge()
        end = time.monotonic() + _PURGING
        while self._on_the_way and time.monotonic() < end:
            self._producer.poll(_POLL)

    def report(self) -> None:
        """Say it, if something is on its way for long."""
        oldest = next(iter(self._on_the_way.values()), math.inf)
        if time.monotonic() - oldest > _PATIENCE:
            self._tally.trouble(
                f"messages wait for more than {_PATIENCE:g} s: is the broker there, and were the "
                "topics created?"
            )

    def close(self) -> None:
        """End the client."""
        with lifetimes.changing_clients():
            del self._producer

    def _open(self) -> Producer:
        """A client, as soon as the machine has what it takes; the options are known as good."""
        while True:
            try:
                return new_producer(self._kafka, self._tally.trouble)
            except KafkaException as error:
                self._tally.trouble(said(error))
                self._tally.report()
                time.sleep(_NO_CLIENT)
