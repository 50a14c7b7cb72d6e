"""What is new in the archive, told to everybody who listens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from threading import Event

from starlette.concurrency import run_in_threadpool

from kedge.web import problems
from kedge.web.archive import ArchiveReader
from kedge.web.news import DATASETS, Position, as_events, since, tip_of
from kedge.web.problems import ApiError

_AT_ONCE = 100
_PAUSE = 2.0
_LISTEN_SECONDS = 600.0
"""Then a listener comes again: its token may be good no more."""
_BEAT = 15.0
"""Seconds of silence after which it is told that the line still is there."""


class Feed:
    """Looks into the archive for as many as listen.

    Args:
        archive: what is looked into.
    """

    def __init__(self, archive: ArchiveReader) -> None:
        self._archive = archive
        self._listeners = 0
        self._closed = Event()

    def close(self) -> None:
        """End every stream soon: who listens comes again elsewhere."""
        self._closed.set()

    async def begin(self, position: Position | None) -> Position:
        """Where a listener begins: where it was, else at what is newest.

        Raises:
            ApiError: too many listen, or the archive is away.
        """
        if self._listeners >= _AT_ONCE:
            raise ApiError(
                problems.UNAVAILABLE,
                f"{_AT_ONCE} listeners are the most",
                headers={"Retry-After": "30"},
            )
        return position if position is not None else await run_in_threadpool(self._newest)

    async def listen(self, position: Position) -> AsyncIterator[bytes]:
        """Server-sent events of what comes after a position, for ten minutes at most."""
        self._listeners += 1
        try:
            yield as_events((), position)
            ends = time.monotonic() + _LISTEN_SECONDS
            told = time.monotonic()
            while not self._closed.is_set() and time.monotonic() < ends:
                try:
                    events, position = await run_in_threadpool(self._after, position)
                except ApiError:
                    return  # the archive is away: the listener tries again
                if events or time.monotonic() - told >= _BEAT:
                    yield events or b": still here\n\n"
                    told = time.monotonic()
                await self._pause()
        finally:
            self._listeners -= 1

    async def _pause(self) -> None:
        ends = time.monotonic() + _PAUSE
        # It is another thread that closes.
        while not self._closed.is_set() and time.monotonic() < ends:  # noqa: ASYNC110
            await asyncio.sleep(0.2)

    def _newest(self) -> Position:
        position = Position()
        for dataset in DATASETS:
            position = position.after(dataset, self._archive.rows(tip_of(dataset), {}))
        return position

    def _after(self, position: Position) -> tuple[bytes, Position]:
        told = []
        for dataset in DATASETS:
            rows = self._archive.rows(*since(dataset, position))
            if rows:
                told.append((dataset, rows))
                position = position.after(dataset, rows)
        return (as_events(told, position) if told else b""), position
