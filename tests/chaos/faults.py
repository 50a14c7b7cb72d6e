"""Faults, done to the world. Those that last end by themselves, while others begin."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable

from chaos.schedule import Fault, Kind
from chaos.traffic import Traffic
from chaos.world import World, process_of
from kedge import broker
from services import PATIENCE

_LOOK = 0.1


class Faults:
    """Does faults one after the other, and remembers how many."""

    def __init__(self, world: World, traffic: Traffic) -> None:
        self._world, self._traffic = world, traffic
        self._lasting: list[threading.Thread] = []
        self._failures: list[BaseException] = []
        self._broker = threading.Lock()
        self.done = 0

    def do(self, fault: Fault) -> None:
        """Do one; return when it has begun."""
        world, seconds = self._world, fault.seconds
        match fault.kind:
            case Kind.KILL:
                process_of(world.workers[fault.target]).kill()
            case Kind.FREEZE:
                self._for(seconds, self._freeze(fault.target))
            case Kind.BROKER:
                self._for(seconds, self._kill_broker())
            case Kind.ADD:
                world.add(fault.target)
            case Kind.REMOVE:
                world.remove(fault.target)
            case Kind.LOCK:
                self._for(seconds, self._lock_registry())
            case Kind.FULL:
                self._start(lambda: self._fill_disk(seconds))
            case Kind.POISON:
                self._traffic.send_poison(fault.target)
            case Kind.AGAIN:
                self._traffic.send_again()
        self.done += 1

    def settle(self) -> None:
        """Wait until those that last are over."""
        for thread in self._lasting:
            thread.join(2 * PATIENCE)
            assert not thread.is_alive()
        if self._failures:
            raise self._failures[0]

    def _freeze(self, target: str) -> Callable[[], None]:
        process = process_of(self._world.workers[target])
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    def _kill_broker(self) -> Callable[[], None]:
        # The one before may still be coming back.
        assert self._broker.acquire(timeout=2 * PATIENCE)
        pid = broker.status(self._world.broker).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        def restart() -> None:
            try:
                broker.start(self._world.broker)
            finally:
                self._broker.release()

        return restart

    def _lock_registry(self) -> Callable[[], None]:
        file = self._world.settings.home / "registry.db"
        lock = sqlite3.connect(
            file, isolation_level=None, check_same_thread=False, timeout=PATIENCE
        )
        lock.execute("BEGIN IMMEDIATE")
        return lock.close

    def _fill_disk(self, seconds: float) -> None:
        """No archiver can write any file: what `write` does on a full disk, to them alone.

        A limit on the size of files fails as a full disk does, also for root, and reaches
        processes that run already; those that start meanwhile are caught at the next look.
        """
        until = time.monotonic() + seconds
        limited: dict[int, subprocess.Popen[bytes]] = {}
        while time.monotonic() < until:
            for name, child in tuple(self._world.workers.items()):
                process = child.process
                if name.startswith("archiver-") and process is not None:
                    limited[process.pid] = process
                    _limit(process, 0)
            time.sleep(_LOOK)
        for process in limited.values():
            _limit(process, None)

    def _for(self, seconds: float, end: Callable[[], None]) -> None:
        def wait_and_end() -> None:
            time.sleep(seconds)
            end()

        self._start(wait_and_end)

    def _start(self, run: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:  # noqa: BLE001 - handed to the test
                self._failures.append(error)

        thread = threading.Thread(target=guarded)
        thread.start()
        self._lasting.append(thread)


def _limit(process: subprocess.Popen[bytes], size: int | None) -> None:
    """Let no file of a process grow beyond `size` bytes; None lifts that."""
    if process.poll() is None:
        try:
            _soft, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(
                process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard)
            )
        except ProcessLookupError:
            return
