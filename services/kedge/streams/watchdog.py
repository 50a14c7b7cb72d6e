"""A limit for calls that can't be interrupted: beyond it, the process ends."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

EXIT_CODE = 70
"""Of a process that was ended so: EX_SOFTWARE."""

_LOOK = 1.0

_log = structlog.get_logger(__name__)


class Watchdog:
    """Ends this process when a call takes longer than it may.

    librdkafka's `send_offsets_to_transaction` ignores its timeout when the group's coordinator was
    away: it waits for a connection that nobody makes any more (its issues 5456 and 5511). What
    `clients.producer` sets makes that rare; this makes it harmless. A thread in C can't be
    interrupted, but the process can end: whoever started it starts it again, and to the stream
    that is a crash like any other.

    Args:
        limit: most seconds for a call.
        look: seconds between looks.
    """

    def __init__(self, limit: float, *, look: float = _LOOK) -> None:
        self._limit, self._look = limit, look
        self._since: float | None = None
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    @contextmanager
    def limited(self) -> Iterator[None]:
        """While in here, the clock runs."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _watch(self) -> None:
        while not self._closed.wait(self._look):
            since = self._since
            if since is not None and time.monotonic() - since > self._limit:
                _log.error("hangs", seconds=self._limit, detail="ending, to be started again")
                os._exit(EXIT_CODE)
