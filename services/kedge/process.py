"""One service in a process of its own: when it stops, and what its exit code says."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import structlog

SUPERVISED = "KEDGE_SUPERVISED"
"""Set for children of the supervisor: their standard input is a pipe that closes with it."""

_ORPHAN_GRACE = 10.0
"""Seconds that an orphan has to stop by itself."""

_BEAT_EVERY = 1.0

_log = structlog.get_logger(__name__)


class Heartbeat(threading.Event):
    """The event that stops a service, which touches a file whenever the service asks for it.

    Each service asks at every turn of its loop, so an old file is a loop that does not turn.

    Args:
        file: touched once a second at most.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file, self._next = file, 0.0

    def is_set(self) -> bool:
        self._beat()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        ends = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self._beat()
            left = ends - time.monotonic()
            if left <= _BEAT_EVERY:
                return super().wait(max(left, 0.0))
            if super().wait(_BEAT_EVERY):
                return True

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _BEAT_EVERY
            self._file.touch()


def stop_on_signals(stop: Callable[[], None]) -> None:
    """Call `stop` at the first SIGTERM or SIGINT; the second one ends the process at once.

    To be called on the main thread. `stop` runs in a signal handler, so it should only set a flag.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        del number
        stop()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, handle)


def stop_with_supervisor(stop: Callable[[], None]) -> None:
    """Call `stop` when the supervisor is gone, however it went; do nothing without one.

    The supervisor holds the writing end of the pipe that is standard input here. The kernel closes
    it even if the supervisor was killed, on every system, and whichever of its threads had started
    this process: that is what `PR_SET_PDEATHSIG` can't say.
    """
    if os.environ.pop(SUPERVISED, None) is None:
        return
    pipe = sys.stdin.fileno()

    def watch() -> None:
        while os.read(pipe, 4096):
            pass
        stop()
        # As a daemon, this thread ends with a process that stops in time.
        threading.Event().wait(_ORPHAN_GRACE)
        os._exit(1)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()


def run_until_stopped(
    run: Callable[[threading.Event], None], *, heartbeat: Path | None = None
) -> int:
    """Run a service on this thread until a signal or the supervisor's end stops it.

    Args:
        run: the service; it returns once the event is set.
        heartbeat: a file to touch while the service goes on; None for none.

    Returns:
        The exit code: 0 when it returned after it was told to stop, 1 when it raised or returned
        by itself.
    """
    stop = threading.Event() if heartbeat is None else Heartbeat(heartbeat)
    stop_on_signals(stop.set)
    stop_with_supervisor(stop.set)
    try:
        run(stop)
    except Exception:  # noqa: BLE001 - whatever it was, it is logged and the exit code says so
        _log.exception("failed")
        return 1
    if not stop.is_set():
        _log.error("returned without being told to stop")
        return 1
    _log.info("stopped")
    return 0
