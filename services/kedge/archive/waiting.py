"""A query under way in this process: waited for, and interrupted without a race."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

import duckdb

T = TypeVar("T")

_AGAIN = 0.05
"""Seconds between two interruptions: one that comes between two steps of a query is lost."""
_LOOK = 0.1


def waited_for(
    connection: duckdb.DuckDBPyConnection,
    work: Callable[[], T],
    *,
    seconds: float | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> T:
    """What `work` gives, which is done on a thread of its own.

    However this ends, the work has ended before, and no interruption comes after: whoever called
    may close the connection. So only one thread ever interrupts it, the one that will close it.

    Args:
        connection: what `work` uses, and nobody else meanwhile.
        work: runs queries on it.
        seconds: after which it is interrupted.
        meanwhile: called several times a second.

    Raises:
        TimeoutError: the time was over before it had ended.
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits
            done.set_exception(error)

    thread = threading.Thread(target=run, name="query", daemon=True)
    ended = threading.Event()
    done.add_done_callback(lambda _: ended.set())
    thread.start()
    deadline = None if seconds is None else time.monotonic() + seconds
    in_time = False
    try:
        while not (in_time := ended.wait(_LOOK)) and (
            deadline is None or time.monotonic() < deadline
        ):
            meanwhile()
    finally:
        while thread.is_alive():
            with suppress(KeyboardInterrupt):
                if not ended.is_set():
                    connection.interrupt()
                thread.join(_AGAIN)
    if not in_time:
        raise TimeoutError
    return done.result()
