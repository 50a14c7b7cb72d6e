"""What became of the events, counted; and said in the log once in a while."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Literal

Kind = Literal["prediction", "outcome"]
Reason = Literal[
    "queue_full",
    "no_release",
    "invalid",
    "closed",
    "oversized",
    "unencodable",
    "spool_full",
    "undelivered",
]

_log = logging.getLogger("kedge.sdk")
_BETWEEN_REPORTS = 60.0
_MEANING: dict[Reason, str] = {
    "queue_full": "the queue is full: the broker is away, or slower than the predictions come",
    "no_release": "no release is live: `follow(…).wait()` before predicting",
    "invalid": "the arguments can't be logged",
    "closed": "the logger was closed before",
    "oversized": "a single event is larger than a message may be",
    "unencodable": "the event can't be written as a message",
    "spool_full": "the spool is full: the broker is away for longer than `spool_bytes` last",
    "undelivered": "the broker did not take the message",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the events of a logger: predictions and outcomes together.

    An event is refused at the call, or accepted and then pending, delivered, left on disk or lost:
    `accepted == delivered + pending + spooled + lost`, once nothing moves.

    Attributes:
        accepted: taken into the queue.
        delivered: acknowledged by the broker.
        pending: in the queue, on the way, or on disk while this logger goes on.
        spooled: left on disk when this logger was closed, for the next one that uses the folder.
        queue_full: refused, since the queue had no room.
        no_release: refused, since no release was live.
        invalid: refused, since the arguments could not be logged.
        closed: refused, since the logger was closed.
        oversized: lost, since it alone was larger than a message may be.
        unencodable: lost, since it could not be written as a message.
        spool_full: lost, since the spool had no room for its message.
        undelivered: lost, since the broker did not take it, in time or at all.
        replayed: of other loggers, found on disk and acknowledged by the broker. They are in none
            of the above.
        unspooled: of the accepted, those that the disk did not take: sent from memory, as without a
            spool.
    """

    accepted: int = 0
    delivered: int = 0
    pending: int = 0
    spooled: int = 0
    queue_full: int = 0
    no_release: int = 0
    invalid: int = 0
    closed: int = 0
    oversized: int = 0
    unencodable: int = 0
    spool_full: int = 0
    undelivered: int = 0
    replayed: int = 0
    unspooled: int = 0

    @property
    def refused(self) -> int:
        """Never taken."""
        return self.queue_full + self.no_release + self.invalid + self.closed

    @property
    def lost(self) -> int:
        """Taken, and yet not delivered."""
        return self.oversized + self.unencodable + self.spool_full + self.undelivered

    @property
    def dropped(self) -> int:
        """Everything that was logged and will not arrive."""
        return self.refused + self.lost


class Tally:
    """Counts what is dropped, from any thread; and what arrives, by the background thread only.

    Attributes:
        delivered, spooled, replayed, unspooled: see `Counts`.
    """

    def __init__(self) -> None:
        self.delivered = 0
        self.spooled = 0
        self.replayed = 0
        self.unspooled = 0
        # Reentrant: a signal handler may log while its own thread counts.
        self._lock = threading.RLock()
        self._drops: Counter[tuple[Kind, Reason]] = Counter()
        self._said: Counter[tuple[Kind, Reason]] = Counter()
        self._details: dict[Reason, str] = {}
        self._trouble = ""
        self._disk_trouble = ""
        self._next_report = 0.0

    def drop(self, kind: Kind, reason: Reason, events: int, detail: str = "") -> None:
        """Count `events` as dropped; `detail` of the last one is what the log says."""
        with self._lock:
            self._drops[kind, reason] += events
            self._details[reason] = detail

    def trouble(self, text: str) -> None:
        """Something that costs no event yet, for the log; the first of a minute is what is said."""
        self._trouble = self._trouble or text

    def disk_trouble(self, text: str) -> None:
        """The same of the spool."""
        self._disk_trouble = self._disk_trouble or text

    def unnumbered(self, kind: Kind) -> int:
        """Events dropped before they had a number: all but those that a broker did not take."""
        with self._lock:
            return sum(
                events
                for (which, reason), events in self._drops.items()
                if which == kind and reason != "undelivered"
            )

    def counts(self, accepted: int) -> Counts:
        """The counts of a logger that has accepted so many events."""
        drops = self.by_reason()
        # What is here is read after what was accepted: it may be ahead, for a moment.
        counted = Counts(
            accepted=accepted,
            delivered=self.delivered,
            spooled=self.spooled,
            replayed=self.replayed,
            unspooled=self.unspooled,
            **drops,
        )
        pending = accepted - counted.delivered - counted.spooled - counted.lost
        return dataclasses.replace(counted, pending=max(0, pending))

    def by_reason(self) -> dict[str, int]:
        """Events dropped, by reason."""
        with self._lock:
            total: Counter[str] = Counter()
            for (_, reason), events in self._drops.items():
                total[reason] += events
            return dict(total)

    def report(self, *, last: bool = False) -> None:
        """Say what is new, unless something was said less than a minute ago.

        Args:
            last: there will be no other time.
        """
        if (now := time.monotonic()) < self._next_report and not last:
            return
        with self._lock:
            fresh = self._drops - self._said
            trouble, self._trouble = self._trouble, ""
            disk_trouble, self._disk_trouble = self._disk_trouble, ""
            if not fresh and not trouble and not disk_trouble:
                return
            self._said = self._drops.copy()
            details = dict(self._details)
        self._next_report = now + _BETWEEN_REPORTS
        if trouble:
            _log.warning("Kafka: %s. What is logged waits in the queue.", trouble)
        if disk_trouble:
            _log.warning(
                "spool: %s. What the disk does not take is sent from memory.", disk_trouble
            )
        for (kind, reason), events in fresh.items():
            detail = f" ({details[reason]})" if details[reason] else ""
            _log.warning(
                "dropped %d %s%s: %s%s",
                events,
                kind,
                "" if events == 1 else "s",
                _MEANING[reason],
                detail,
            )
