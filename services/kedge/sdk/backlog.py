"""Messages by way of the disk: kept, sent as there is room, and taken over from the dead."""

from __future__ import annotations

import functools
import math
import time
from pathlib import Path

from confluent_kafka import KafkaError

from kedge.sdk.delivery import Delivery
from kedge.sdk.events import Pause
from kedge.sdk.messages import Message
from kedge.sdk.spool import Kept, Spool
from kedge.sdk.tally import Tally

_LOOK = 5.0
# Events wait in the queue meanwhile.
_AT_ONCE = 500
# No broker will ever take these; whatever else comes back is tried again.
_REFUSED = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError._INVALID_ARG,  # noqa: SLF001 - its public name
    }
)


class Backlog:
    """A spool and what is counted of it; by the background thread, but for `exists`."""

    def __init__(self, folder: Path, most: int, tally: Tally, pause: Pause) -> None:
        self._spool = Spool(folder, most, tally.disk_trouble)
        self._tally = tally
        self._pause = pause
        self._next_look = -math.inf

    def room(self, message: Message) -> bool:
        return self._spool.room(message)

    @property
    def written(self) -> int:
        """Where the next message of this logger will be."""
        return self._spool.written

    @property
    def handed_out(self) -> int:
        """Before which place everything of this logger was handed out."""
        return self._spool.handed_out

    def exists(self) -> bool:
        """Whether there may be something that others left."""
        return self._spool.left_behind()

    def waits(self) -> bool:
        """Whether something is to be sent that librdkafka does not have."""
        return self._spool.peek() is not None

    def keep(self, message: Message) -> bool:
        """Write a message to disk; False, and counted, if the disk does not take it."""
        kept = self._spool.keep(message)
        if not kept:
            self._tally.unspooled += message.events
        return kept

    def pump(self, delivery: Delivery) -> None:
        """Send some of what lies on disk, as far as librdkafka has room."""
        for _ in range(_AT_ONCE):
            kept = self._spool.peek()
            if kept is None:
                return
            # It counts as out before anything can be heard of it.
            self._spool.advance()
            if not delivery.offer(kept.message, functools.partial(self._settled, kept)):
                self._spool.put_back(kept)
                return
            self._pause()

    def look(self) -> None:
        """Once in a while: adopt what the dead left, hand out again what came back."""
        if (now := time.monotonic()) >= self._next_look:
            self._next_look = now + _LOOK
            self._spool.adopt()
            self._spool.retry()

    def close(self) -> None:
        """Leave what is not delivered to the next logger."""
        self._tally.spooled = self._spool.waiting
        self._spool.close()

    def abandon(self) -> None:
        """Let go of the parent's files, in a forked child."""
        self._spool.abandon()

    def _settled(self, kept: Kept, error: KafkaError | None) -> None:
        message = kept.message
        if error is not None and error.code() not in _REFUSED:
            self._spool.failed(kept)
            self._tally.trouble(error.str())
            return
        self._spool.done(kept)
        if not kept.own:
            if error is None:
                self._tally.replayed += message.events
            else:
                self._tally.trouble(f"a message of an earlier logger is lost: {error.str()}")
        elif error is None:
            self._tally.delivered += message.events
        else:
            self._tally.drop(message.kind, "undelivered", message.events, error.str())
