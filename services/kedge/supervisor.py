"""The supervisor: every service a child process, restarted when it dies, stopped together."""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

import structlog

from kedge.errors import KedgeError
from kedge.process import SUPERVISED
from kedge.settings import Settings

SERVICES: Mapping[str, str] = {
    "registry": "kedge.registry.outbox",
    "profiler": "kedge.profiler",
    "monitor": "kedge.monitor",
    "auditor": "kedge.auditor",
    "evaluator": "kedge.evaluator",
    "assessor": "kedge.assessor",
    "alerting": "kedge.alerting",
    "webhooks": "kedge.webhooks",
    "archiver": "kedge.archiver",
    "compactor": "kedge.compactor",
    "mlflow": "kedge.registry.mlflow",
    "web": "kedge.web.service",
}
"""Each service, and the module whose `run` it is."""

_EXTRAS = {"web": "prometheus_client"}
"""Services with an extra of their name, and a package that no other extra brings."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_STEADY = 30.0
"""Seconds alive after which a service's next death is its first again."""
_STOP_GRACE = 20.0
_LOOK = 0.1
_TEND = 5.0

_log = structlog.get_logger(__name__)


def service(name: str) -> Callable[[Settings, Event], None]:
    """The `run` of a service.

    Raises:
        KedgeError: there is no such service, or it is not installed.
    """
    if name not in SERVICES:
        raise KedgeError(f"there is no service `{name}`; there are: {', '.join(SERVICES)}")
    if name not in installed():
        raise KedgeError(f"`kedge run {name}` needs more packages: pip install 'kedge[{name}]'")
    run: Callable[[Settings, Event], None] = importlib.import_module(SERVICES[name]).run
    return run


def installed() -> list[str]:
    """The services whose packages are there."""
    return [
        name
        for name in SERVICES
        if name not in _EXTRAS or importlib.util.find_spec(_EXTRAS[name]) is not None
    ]


@dataclass(slots=True)
class Child:
    """A process to keep alive.

    Attributes:
        name: for the log.
        arguments: of the `kedge` command.
        environment: beside this process's own.
        ends_by: once it is to be gone: when it is killed if it has not stopped.
    """

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = _FIRST_PAUSE
    ends_by: float | None = None


def wanted(settings: Settings) -> list[str]:
    """The services that `kedge up` runs: all, but for those that nothing is set for."""
    return [name for name in installed() if name != "mlflow" or settings.mlflow.uri is not None]


def service_children(names: Iterable[str]) -> list[Child]:
    """A child for each service, named so that a killed one is taken over at once."""
    instance = f"{socket.gethostname()}-0"
    return [Child(name, ("run", name), {"KEDGE_STREAM__INSTANCE": instance}) for name in names]


class Supervisor:
    """Keeps its children running until it is told to stop.

    Args:
        children: what to run; they are started in this order.
        logs: folder for a log file each; by default they write where this process writes.
        tend: called every few seconds, to keep alive what is no child: the embedded broker.
    """

    def __init__(
        self, children: Iterable[Child], *, logs: Path | None = None, tend: Callable[[], None]
    ) -> None:
        self.children = list(children)
        self._logs, self._tend = logs, tend

    def add(self, child: Child) -> None:
        """Run one more; from any thread."""
        self.children.append(child)

    def remove(self, child: Child) -> None:
        """Stop a child and forget it, soon; from any thread."""
        child.ends_by = time.monotonic() + _STOP_GRACE
        process = child.process
        if process is not None:
            process.terminate()

    def run(self, stop: Event) -> None:
        """Start all, restart what dies with growing pauses, and stop all when `stop` is set."""
        tended = time.monotonic()
        try:
            while not stop.wait(_LOOK):
                for child in tuple(self.children):
                    self._keep(child)
                if time.monotonic() - tended > _TEND:
                    self._see_to_the_rest()
                    tended = time.monotonic()
        finally:
            self._stop()

    def _see_to_the_rest(self) -> None:
        try:
            self._tend()
        except KedgeError as error:
            # The services wait for what is missing, and so does this: it may come back.
            _log.error("not_tended", error=str(error))

    def _keep(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if child.ends_by is not None:
                self.children.remove(child)
            elif now >= child.due:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            if child.ends_by is not None and now >= child.ends_by:
                child.process.kill()
            return
        _close(child.process)
        child.process = None
        if child.ends_by is not None:
            _log.info("removed", child=child.name, exit_code=code)
            return
        if now - child.started > _STEADY:
            child.pause = _FIRST_PAUSE
        _log.error("died", child=child.name, exit_code=code, restart_in=child.pause)
        child.due = now + child.pause
        child.pause = min(child.pause * 2, _LONGEST_PAUSE)

    def _start(self, child: Child) -> None:
        environment = {**os.environ, **child.environment, SUPERVISED: "1"}
        with self._output(child.name) as output:
            child.process = subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
                [sys.executable, "-m", "kedge", *child.arguments],
                # The pipe closes with this process, however it ends: see `kedge.process`.
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=environment,
                # Ctrl-C goes to the terminal's whole group: only this process is to decide.
                start_new_session=True,
            )
        child.started = time.monotonic()
        _log.info("started", child=child.name, pid=child.process.pid)

    def _output(self, name: str) -> IO[bytes]:
        if self._logs is None:
            return os.fdopen(os.dup(2), "wb")
        self._logs.mkdir(parents=True, exist_ok=True)
        return (self._logs / f"{name}.log").open("ab")

    def _stop(self) -> None:
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _STOP_GRACE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _log.warning("killed", pid=process.pid)
                process.kill()
                process.wait()
            _close(process)
        for child in self.children:
            child.process = None


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
