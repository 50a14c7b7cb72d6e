"""What the story is played on: a home of its own, settings, services and the inference server."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

import httpx
import structlog

from kedge.demo.receiver import Receiver, listening
from kedge.errors import KedgeError
from kedge.platform import platform
from kedge.settings import Settings
from kedge.supervisor import Child, Supervisor, service_children, wanted

MODEL = "flights"
ALIAS = "production"
WINDOW = 7 * 86_400
"""Seconds: weeks, so that weekends are in every window."""

_STOP_TIMEOUT = 60.0
_SERVER_TIMEOUT = 120.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs."""

    settings: Settings
    receiver: Receiver
    server: str
    logs: Path


@contextmanager
def stage(home: Path) -> Iterator[Stage]:
    """Start a broker and every service; stop them at the end.

    Args:
        home: where everything of this run is kept.

    Raises:
        KedgeError: something can't be started.
    """
    home.mkdir(parents=True, exist_ok=True)
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    receiver = Receiver(secret)
    port = _free_port()
    with listening(receiver) as webhook:
        policy = home / "policy.toml"
        text = (files("kedge.demo") / "policy.toml").read_text()
        policy.write_text(Template(text).substitute(webhook=webhook))
        with _environment(_variables(home, policy, secret, port)):
            settings = Settings()
            logs = home / "logs"
            # The server waits for its first release, which is yet to be made.
            children = [*service_children(wanted(settings)), Child("serving", ("serve", MODEL))]
            with platform(settings) as tend:
                supervisor = Supervisor(children, logs=logs, tend=tend)
                with _running(supervisor):
                    server = f"http://{settings.serving.host}:{port}"
                    yield Stage(settings, receiver, server, logs)


def _variables(home: Path, policy: Path, secret: str, port: int) -> dict[str, str]:
    return {
        "KEDGE_HOME": str(home.absolute()),
        "KEDGE_TOPIC_PREFIX": f"kedge-demo-{time.time_ns() // 1_000_000}",
        "KEDGE_STREAM__WINDOW": str(WINDOW),
        # Event time is fast here: partitions that are read a little apart are days apart.
        "KEDGE_STREAM__OUT_OF_ORDERNESS": "3600",
        "KEDGE_STREAM__ALLOWED_LATENESS": str(4 * WINDOW),
        # A year passes in minutes: no truth is to be beyond the horizon.
        "KEDGE_EVALUATOR__HORIZON": str(400 * 86_400),
        "KEDGE_EVALUATOR__PUBLISH_EVERY": "0.5",
        "KEDGE_ALERTING__POLICY": str(policy.absolute()),
        "KEDGE_ALERTING__WEBHOOK_SECRET": secret,
        "KEDGE_WEBHOOKS__ALLOW": "127.0.0.1",
        "KEDGE_ARCHIVE__FLUSH_SECONDS": "2",
        "KEDGE_SERVING__PORT": str(port),
        # A free one: `kedge up` may be running beside the demo.
        "KEDGE_WEB__PORT": "0",
    }


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The environment is how the child processes get their settings."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _running(supervisor: Supervisor) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=supervisor.run, args=(stop,), name="supervisor")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOP_TIMEOUT)


def wait_for_server(stage: Stage, release: int) -> None:
    """Until the inference server serves a release.

    Raises:
        KedgeError: it does not come up.
    """
    deadline = time.monotonic() + _SERVER_TIMEOUT
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{stage.server}/release", timeout=5.0)
            if answer.is_success and answer.json()["release"] == release:
                return
        except httpx.TransportError:
            _log.debug("waiting_for_server")
        time.sleep(0.1)
    raise KedgeError(
        f"the inference server does not serve release {release}: see {stage.logs / 'serving.log'}"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
