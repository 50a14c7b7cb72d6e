"""The background thread of a logger: takes events from the queue, writes, sends, counts."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from kedge.contracts import Topics
from kedge.sdk import lifetimes
from kedge.sdk.connection import Options, largest_message, new_producer
from kedge.sdk.courtesy import Courtesy
from kedge.sdk.events import Frame, Outcome, Single, Singles
from kedge.sdk.limits import Limits
from kedge.sdk.messages import Message, Messages, said
from kedge.sdk.tally import Counts, Kind, Tally

_log = logging.getLogger("kedge.sdk")

_IDLE_TICK = 1.0
_POLL = 0.02
_RETRY = 0.05
_PATIENCE = 30.0


@dataclass(eq=False, slots=True)
class _Flush:
    """Stands in the queue behind what is to be delivered first."""

    done: threading.Event = field(default_factory=threading.Event)
    behind: int = 0
    rows = 0


class Sender:
    """Queue and thread of one logger in one process; after a fork, the child has a new one.

    Callers of a logger do no more than append to `queue`, and `wake` where `asleep` says so. The
    thread starts with the first event.
    """

    def __init__(
        self,
        kafka: Options,
        topics: Topics,
        environment: str,
        limits: Limits,
        tally: Tally,
    ) -> None:
        self.queue: deque[Single | Frame | Outcome | _Flush] = deque()
        self.asleep = True
        # What the queue holds beyond one event an entry.
        self.surplus = 0
        self._kafka = kafka
        self._limits = limits
        self._tally = tally
        self._courtesy = Courtesy()
        self._messages = Messages(
            topics, environment, largest_message(kafka), tally, self._courtesy.give_way
        )
        # Reentrant: a signal handler may log while its own thread is in here.
        self._lock = threading.RLock()
        # A lock as a bell: it can be rung in a signal handler, which an Event can't.
        self._bell = threading.Lock()
        self._bell.acquire()
        self._thread: threading.Thread | None = None
        self._deadline = math.inf
        self._stopping = False
        self._finished = False
        # By the background thread only.
        self._taken = 0
        self._delivered = 0
        self._sent = 0
        # When each message was handed to librdkafka, in that order.
        self._on_the_way: dict[int, float] = {}
        self._flushes: list[_Flush] = []

    @property
    def queued(self) -> int:
        """Events in the queue."""
        return len(self.queue) + self.surplus

    def put(self, entry: Frame | Outcome | _Flush) -> None:
        """Append what is not a single prediction."""
        with self._lock:
            self.surplus += entry.rows - 1
            self.queue.append(entry)
        if self.asleep:
            self.wake()

    def wake(self) -> None:
        """Start the thread, or end its rest."""
        self.asleep = False
        if self._thread is None:
            self._start()
        with contextlib.suppress(RuntimeError):  # it is ringing already
            self._bell.release()

    def flush(self, timeout: float) -> bool:
        """Wait until what was put before is delivered or given up."""
        if self._thread is None and not self.queue:
            return True
        if self._thread is threading.current_thread():
            return False
        if self._finished:
            return not self.queue
        flush = _Flush()
        self.put(flush)
        self.wake()
        return flush.done.wait(timeout)

    def stop(self, timeout: float) -> None:
        """Send what is there, give up after `timeout` seconds, and end the thread."""
        self._deadline = time.monotonic() + timeout
        self._stopping = True
        if self._thread is None and not self.queue:
            self._finished = True
            return
        self.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout + 1.0)

    def counts(self) -> Counts:
        """What became of the events so far."""
        with self._lock:
            accepted = self._taken + self.queued
        drops = self._tally.by_reason()
        lost = sum(drops.get(reason, 0) for reason in ("oversized", "unencodable", "undelivered"))
        return Counts(
            accepted=accepted,
            delivered=self._delivered,
            pending=max(0, accepted - self._delivered - lost),
            **drops,
        )

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._finished:
                return
            thread = threading.Thread(target=self._run, name="kedge-sdk", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:
                # No more threads are to be had, or the interpreter ends: the next event tries
                # again.
                self._tally.trouble(said(error))
                self.asleep = True
                return
            self._thread = thread
        lifetimes.tell_end_in_workers()

    def _run(self) -> None:
        # Nothing but this frame holds the producer: in a forked child the frame stays as it was
        # for ever, so that the parent's client is not torn down there.
        producer = self._open()
        while not (self._stopping and not self.queue):
            self._rest(producer)
            try:
                while self.queue:
                    producer = self._work(producer)
            except Exception:  # noqa: BLE001 - the thread outlives what nobody thought of
                _log.exception("a batch could not be sent")
            producer.poll(0)
            self._settle()
            self._report()
        while self._on_the_way and not self._expired():
            producer.poll(_POLL)
            self._settle()
        self._give_up(producer)
        self._settle()
        with lifetimes.changing_clients():
            del producer
        self._finished = True
        self._tally.report(last=True)

    def _open(self) -> Producer:
        """A producer, as soon as the machine has what it takes; the options are known as good."""
        while True:
            try:
                return new_producer(self._kafka, self._tally.trouble)
            except KafkaException as error:
                self._tally.trouble(said(error))
                self._tally.report()
                time.sleep(_IDLE_TICK)

    def _rest(self, producer: Producer) -> None:
        """Let events gather; sleep soundly while there are none."""
        if self._stopping:
            return
        if self._flushes:
            producer.poll(_POLL)
            return
        if not self.queue and not self._on_the_way:
            self.asleep = True
            # Whoever appended before it could see that has rung no bell.
            if not self.queue:
                self._bell.acquire(timeout=_IDLE_TICK)
            self.asleep = False
        if self.queue or self._on_the_way:
            # Only those who can't wait ring now.
            self._bell.acquire(timeout=self._limits.linger)

    def _work(self, producer: Producer) -> Producer:
        """Take what makes one message for each release and send it."""
        singles, other = self._take()
        for events in singles:
            producer = self._send(producer, Singles(events))
        if isinstance(other, _Flush):
            other.behind = self._sent
            self._flushes.append(other)
        elif other is not None:
            producer = self._send(producer, other)
        return producer

    def _take(self) -> tuple[list[list[Single]], Frame | Outcome | _Flush | None]:
        """The next single predictions by release, and what came behind them."""
        by_release: dict[int, list[Single]] = {}
        other: Frame | Outcome | _Flush | None = None
        queue, rows = self.queue, 0
        # So that `counts` sees an event in the queue or taken, and never neither.
        with self._lock:
            while queue and rows < self._limits.batch_rows:
                entry = queue.popleft()
                if type(entry) is not tuple:
                    assert not isinstance(entry, tuple)
                    self.surplus -= entry.rows - 1
                    rows += entry.rows
                    other = entry
                    break
                rows += 1
                by_release.setdefault(id(entry[-1]), []).append(entry)
            self._taken += rows
        return list(by_release.values()), other

    def _send(self, producer: Producer, content: Singles | Frame | Outcome) -> Producer:
        kind: Kind = "outcome" if isinstance(content, Outcome) else "prediction"
        if self._expired():
            self._tally.drop(kind, "undelivered", content.rows, "closed before it could be sent")
            return producer
        messages = (
            self._messages.of_outcome(content)
            if isinstance(content, Outcome)
            else self._messages.of_rows(content)
        )
        for message in messages:
            producer = self._produce(producer, message)
        return producer

    def _produce(self, producer: Producer, message: Message) -> Producer:
        """Hand a message to librdkafka, once there is room for it."""
        number = self._sent = self._sent + 1

        def delivered(error: KafkaError | None, _message: Any) -> None:
            self._on_the_way.pop(number, None)
            if error is None:
                self._delivered += message.events
            else:
                self._tally.drop(message.kind, "undelivered", message.events, error.str())

        while not self._expired():
            try:
                producer.produce(message.topic, message.value, message.key, on_delivery=delivered)
            except BufferError:
                producer.poll(_RETRY)
                self._settle()
                self._report()
                continue
            except KafkaException as error:
                if error.args[0].code() == KafkaError._FATAL:  # noqa: SLF001 - its public name
                    # This client is done for ever: what it still has is lost, the next may work.
                    self._give_up(producer)
                    time.sleep(_RETRY)
                    producer = self._open()
                    continue
                self._tally.drop(message.kind, "undelivered", message.events, said(error))
                return producer
            self._on_the_way[number] = time.monotonic()
            producer.poll(0)
            return producer
        self._tally.drop(message.kind, "undelivered", message.events, "closed before it was sent")
        return producer

    def _give_up(self, producer: Producer) -> None:
        """Count what is still on the way as undelivered."""
        if not self._on_the_way:
            return
        producer.purge()
        end = time.monotonic() + 1.0
        while self._on_the_way and time.monotonic() < end:
            producer.poll(_POLL)

    def _settle(self) -> None:
        """Tell those who wait that what they wait for is delivered or given up."""
        if not self._flushes:
            return
        # In the order of sending: a dict keeps it.
        first = next(iter(self._on_the_way), math.inf)
        for flush in [flush for flush in self._flushes if flush.behind < first]:
            flush.done.set()
            self._flushes.remove(flush)

    def _report(self) -> None:
        first = next(iter(self._on_the_way.values()), math.inf)
        if time.monotonic() - first > _PATIENCE:
            self._tally.trouble(
                f"messages wait for more than {_PATIENCE:g} s: is the broker there, and were the "
                "topics created?"
            )
        self._tally.report()

    def _expired(self) -> bool:
        return time.monotonic() >= self._deadline
