"""Those who wait until what they logged is delivered or given up."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from kedge.sdk.backlog import Backlog
from kedge.sdk.delivery import Delivery


@dataclass(eq=False, slots=True)
class Flush:
    """Stands in the queue behind what is to be delivered first.

    Attributes:
        done: set when that is so.
        behind: number of the last message that was sent before it.
        written: up to where the disk has messages that were written before it; 0 once those were
            sent, and without a disk.
    """

    done: threading.Event = field(default_factory=threading.Event)
    behind: int = 0
    written: int = 0
    rows = 0


class Flushes:
    """By the background thread only."""

    def __init__(self, disk: Backlog | None) -> None:
        self._disk = disk
        self._waiting: list[Flush] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, flush: Flush, delivery: Delivery) -> None:
        """It is its turn: everything before it was sent, or is on disk."""
        flush.behind = delivery.sent
        flush.written = 0 if self._disk is None else self._disk.written
        self._waiting.append(flush)

    def settle(self, delivery: Delivery) -> None:
        """Tell those for whom nothing is on its way any more."""
        for flush in list(self._waiting):
            if flush.written and self._disk is not None:
                if self._disk.handed_out < flush.written:
                    continue
                flush.behind, flush.written = delivery.sent, 0
            if flush.behind < delivery.first:
                flush.done.set()
                self._waiting.remove(flush)
