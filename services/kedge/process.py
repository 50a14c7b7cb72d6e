"""One service in a process of its own: when it stops, and what its exit code says."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

import structlog

SUPERVISED = "KEDGE_SUPERVISED"
"""Set for children of the supervisor: their standard input is a pipe that closes with it."""

_ORPHAN_GRACE = 10.0
"""Seconds that an orphan has to stop by itself."""

_log = structlog.get_logger(__name__)


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


def run_until_stopped(run: Callable[[threading.Event], None]) -> int:
    """Run a service on this thread until a signal or the supervisor's end stops it.

    Returns:
        The exit code: 0 when it returned after it was told to stop, 1 when it raised or returned
        by itself.
    """
    stop = threading.Event()
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
