"""The background thread of a logger: takes events from the queue, writes, sends, counts."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections import deque
from pathlib import Path

from confluent_kafka import KafkaError

from kedge.contracts import Topics
from kedge.sdk import lifetimes
from kedge.sdk.backlog import Backlog
from kedge.sdk.connection import Options, largest_message
from kedge.sdk.courtesy import Courtesy
from kedge.sdk.delivery import Delivery
from kedge.sdk.events import Frame, Outcome, Single, Singles
from kedge.sdk.flushes import Flush, Flushes
from kedge.sdk.follower import NoReleaseError
from kedge.sdk.limits import Limits
from kedge.sdk.messages import Message, Messages, said
from kedge.sdk.releases import Source
from kedge.sdk.tally import Counts, Kind, Tally

_log = logging.getLogger("kedge.sdk")

_IDLE_TICK = 1.0
_POLL = 0.02
_TELL_AFTER = 10.0


def _any(_message: Message) -> bool:
    return True


class Sender:
    """Queue and thread of one logger in one process; after a fork, the child has a new one.

    Callers of a logger do no more than append to `queue`, and `wake` where `asleep` says so. The
    thread starts with the first event.
    """

    def __init__(
        self,
        *,
        source: Source,
        kafka: Options,
        topics: Topics,
        environment: str,
        limits: Limits,
        tally: Tally,
        spool: tuple[Path, int] | None,
    ) -> None:
        self.queue: deque[Single | Frame | Outcome | Flush] = deque()
        self.asleep = True
        # What the queue holds beyond one event an entry.
        self.surplus = 0
        self._source = source
        self._kafka = kafka
        self._limits = limits
        self._tally = tally
        self._courtesy = Courtesy()
        self._disk = None if spool is None else Backlog(*spool, tally, self._courtesy.give_way)
        self._messages = Messages(
            topics,
            environment,
            largest_message(kafka),
            tally,
            pause=self._courtesy.give_way,
            room=_any if self._disk is None else self._disk.room,
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
        self._flushes = Flushes(self._disk)
        self._untold_since = math.inf

    @property
    def queued(self) -> int:
        """Events in the queue."""
        return len(self.queue) + self.surplus

    def put(self, entry: Frame | Outcome | Flush) -> None:
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

    def recover(self) -> None:
        """Begin at once, if there may be messages that others left on disk."""
        if self._disk is not None and self._disk.exists():
            self.wake()

    def flush(self, timeout: float) -> bool:
        """Wait until what was put before is delivered or given up."""
        if self._thread is None and not self.queue:
            return True
        if self._thread is threading.current_thread():
            return False
        if self._finished:
            return not self.queue
        flush = Flush()
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
        return self._tally.counts(accepted)

    def abandon(self) -> None:
        """Let go of the parent's files in a forked child."""
        if self._disk is not None:
            self._disk.abandon()

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
        # Nothing but this frame holds the client: in a forked child the frame stays as it was for
        # ever, so that the parent's client is not torn down there.
        delivery = Delivery(self._kafka, self._tally)
        while not (self._stopping and not self.queue):
            self._rest(delivery)
            try:
                while self.queue:
                    self._work(delivery)
                if self._disk is not None:
                    self._disk.look()
                self._tell_drops(delivery)
            except Exception:  # noqa: BLE001 - the thread outlives what nobody thought of
                _log.exception("a batch could not be sent")
            self._listen(delivery)
            self._report(delivery)
        self._untold_since = -math.inf
        self._tell_drops(delivery)
        self._listen(delivery)
        while (delivery.busy or self._backlog) and not self._expired():
            delivery.poll(_POLL)
            self._listen(delivery)
        delivery.give_up()
        self._flushes.settle(delivery)
        delivery.close()
        if self._disk is not None:
            self._disk.close()
        self._finished = True
        self._tally.report(last=True)

    @property
    def _backlog(self) -> bool:
        return self._disk is not None and self._disk.waits()

    def _rest(self, delivery: Delivery) -> None:
        """Let events gather; sleep soundly while there are none."""
        if self._stopping:
            return
        if self._flushes:
            delivery.poll(_POLL)
            return
        if self._backlog:
            delivery.wait_for_room()
            return
        if not self.queue and not delivery.busy:
            self.asleep = True
            # Whoever appended before it could see that has rung no bell.
            if not self.queue:
                self._bell.acquire(timeout=_IDLE_TICK)
            self.asleep = False
        if self.queue or delivery.busy:
            # Only those who can't wait ring now.
            self._bell.acquire(timeout=self._limits.linger)

    def _listen(self, delivery: Delivery) -> None:
        """Hear what became of messages; send what there is room for by now."""
        delivery.poll()
        if self._disk is not None:
            self._disk.pump(delivery)
        self._flushes.settle(delivery)

    def _work(self, delivery: Delivery) -> None:
        """Take what makes one message for each release and send it."""
        singles, other = self._take()
        for events in singles:
            self._send(delivery, Singles(events))
        if isinstance(other, Flush):
            self._flushes.add(other, delivery)
        elif other is not None:
            self._send(delivery, other)

    def _take(self) -> tuple[list[list[Single]], Frame | Outcome | Flush | None]:
        """The next single predictions by release, and what came behind them."""
        by_release: dict[int, list[Single]] = {}
        other: Frame | Outcome | Flush | None = None
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

    def _send(self, delivery: Delivery, content: Singles | Frame | Outcome) -> None:
        kind: Kind = "outcome" if isinstance(content, Outcome) else "prediction"
        if self._expired():
            self._tally.drop(kind, "undelivered", content.rows, "closed before it could be sent")
            return
        messages = (
            self._messages.of_outcome(content)
            if isinstance(content, Outcome)
            else self._messages.of_rows(content)
        )
        for message in messages:
            self._dispatch(delivery, message)

    def _dispatch(self, delivery: Delivery, message: Message) -> None:
        """To disk first, where there is a spool; else wait until librdkafka has room."""
        if self._disk is not None and self._disk.keep(message):
            self._disk.pump(delivery)
            delivery.poll()
            return

        def settled(error: KafkaError | None) -> None:
            if error is None:
                self._tally.delivered += message.events
            else:
                self._tally.drop(message.kind, "undelivered", message.events, error.str())

        while not self._expired():
            if delivery.offer(message, settled):
                return
            delivery.wait_for_room()
            self._flushes.settle(delivery)
            self._report(delivery)
        self._tally.drop(message.kind, "undelivered", message.events, "closed before it was sent")

    def _tell_drops(self, delivery: Delivery) -> None:
        """Tell of dropped predictions, where no message of predictions has done so for a while."""
        if not self._messages.untold:
            self._untold_since = math.inf
            return
        now = time.monotonic()
        self._untold_since = min(self._untold_since, now)
        if now - self._untold_since < _TELL_AFTER:
            return
        # Without a release that was live there is no message to tell it by.
        with contextlib.suppress(NoReleaseError, ValueError):
            for message in self._messages.of_drops(self._source.live):
                self._dispatch(delivery, message)
            self._untold_since = math.inf

    def _report(self, delivery: Delivery) -> None:
        delivery.report()
        self._tally.report()

    def _expired(self) -> bool:
        return time.monotonic() >= self._deadline
