"""What lives in this process, told when the process forks and when it ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Protocol

_SETTLING = 0.5
_LONGEST_DELAY = 2.0


class Resident(Protocol):
    """Something with a thread and a connection of its own."""

    def after_fork(self) -> None:
        """Start anew in a child: the parent's thread is not here, its connection is not ours."""

    def at_exit(self) -> None:
        """Finish, in bounded time."""


_residents: dict[int, Resident] = {}
_changing = threading.RLock()
_settled = 0.0
_forking = threading.local()
# The process in which multiprocessing was asked to tell the end.
_told_by_multiprocessing = 0


@contextlib.contextmanager
def changing_clients() -> Iterator[None]:
    """Make or end a Kafka client: no fork comes in between, nor half a second afterwards.

    The threads of librdkafka begin and end under locks that the whole process shares, OpenSSL's
    among them (every thread draws its first random number under one). A child forked at such a
    moment would inherit them locked, and no client of its own would ever connect.
    """
    global _settled  # noqa: PLW0603 - the process is what this module is about
    with _changing:
        try:
            yield
        finally:
            _settled = time.monotonic() + _SETTLING


def enter(resident: Resident) -> None:
    """Tell `resident` of forks and of the end, until it leaves."""
    _residents[id(resident)] = resident


def leave(resident: Resident) -> None:
    """No more to be told."""
    _residents.pop(id(resident), None)


def tell_end_in_workers() -> None:
    """See to it that the end of a multiprocessing worker is told: it does not run `atexit`.

    To be called when there is something to lose for the first time in this process.
    """
    global _told_by_multiprocessing  # noqa: PLW0603 - the process is what this module is about
    util = sys.modules.get("multiprocessing.util")
    if util is None or _told_by_multiprocessing == os.getpid():
        return
    _told_by_multiprocessing = os.getpid()
    # A low priority: after what the worker itself wants done at its end.
    util.Finalize(None, _end, exitpriority=-100)


def _end() -> None:
    for resident in list(_residents.values()):
        with contextlib.suppress(Exception):
            resident.at_exit()


def _before_fork() -> None:
    # In bounded time: rather a child that may not connect than a parent that stands still.
    _forking.holds = _changing.acquire(timeout=_LONGEST_DELAY)
    if (left := _settled - time.monotonic()) > 0:
        time.sleep(left)


def _after_fork_in_parent() -> None:
    if _forking.holds:
        _changing.release()


def _after_fork_in_child() -> None:
    global _changing  # noqa: PLW0603 - as above
    _changing = threading.RLock()
    for resident in list(_residents.values()):
        resident.after_fork()


atexit.register(_end)
os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
