"""Start, find, describe and stop the embedded broker."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from confluent_kafka import KafkaException
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from kedge.broker import jars, java, jvm, lock
from kedge.broker.configuration import HOST, choose_ports, server_properties
from kedge.broker.jvm import Process
from kedge.broker.layout import Layout, exclusive, shipped
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams.clients import admin

_SERVERS = "bootstrap.servers"
_POLL = 0.1
_ANSWER_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Status:
    """What is known about the broker that clients of these settings would use.

    Attributes:
        embedded: whether it is Kedge's own; False for one that `bootstrap.servers` names. What
            follows after `bootstrap_servers` is known of the embedded one only.
        running: whether its process is there; of another's broker, whether it answers.
        answers: whether it lists its topics when asked.
        version: of Kafka: the running one, else the one that a start would run.
        java: which executable runs it, and the major version of that.
    """

    embedded: bool
    running: bool
    answers: bool
    bootstrap_servers: str | None
    pid: int | None = None
    started_at: datetime | None = None
    version: str | None = None
    java: str | None = None
    data: Path | None = None
    log: Path | None = None


def start(settings: Settings) -> str:
    """Have a broker: the configured one as it is, else the embedded one, so that it answers.

    The data of earlier runs is there again. The new process outlives this one. Of several
    processes that start the same broker at once, one does and all return the same.

    Returns:
        Its bootstrap servers.

    Raises:
        KedgeError: it can't be started; says why and what to do.
    """
    if _SERVERS in settings.kafka:
        return settings.kafka[_SERVERS]
    layout = Layout.of(settings.home)
    running = _running(layout)
    if running is not None and _answers(running):
        return _address(running)
    found = java.find()
    locked = lock.read(shipped("jars.lock"))
    classpath = jars.prepare(locked, settings.broker)
    with exclusive(layout.lock, "KEDGE_HOME"):
        running = _running(layout)
        if running is not None:  # somebody was quicker, or did not live to see it answer
            _await_answer(running, layout, settings.broker.start_timeout)
            return _address(running)
        last = Process.last(layout.state)
        ports = choose_ports(settings.broker.port, last.ports if last else None)
        layout.properties.write_text(server_properties(ports))
        jvm.format_data(layout, found, classpath)
        started = jvm.launch(
            layout,
            found,
            classpath,
            ports=ports,
            heap=settings.broker.heap,
            version=locked.kafka_version,
        )
        try:
            _await_answer(started, layout, settings.broker.start_timeout)
        except BaseException:
            # Half a start would be in the way of the next one.
            if started.runs:
                jvm.end(started)
            raise
    return _address(started)


def stop(settings: Settings) -> bool:
    """End the embedded broker; its data and its port stay for the next start.

    Returns:
        Whether there was one to end.

    Raises:
        KedgeError: its process can't be ended.
    """
    layout = Layout.of(settings.home)
    if _running(layout) is None:
        return False
    with exclusive(layout.lock, "KEDGE_HOME"):
        process = _running(layout)
        if process is None:
            return False
        jvm.end(process)
    return True


def status(settings: Settings) -> Status:
    """What is known about the broker; asks it whether it answers."""
    if _SERVERS in settings.kafka:
        there = _lists_topics(settings.kafka)
        return Status(
            embedded=False,
            running=there,
            answers=there,
            bootstrap_servers=settings.kafka[_SERVERS],
        )
    layout = Layout.of(settings.home)
    process = _running(layout)
    return Status(
        embedded=True,
        running=process is not None,
        answers=process is not None and _answers(process),
        bootstrap_servers=_address(process) if process else None,
        pid=process.pid if process else None,
        started_at=datetime.fromtimestamp(process.started_at, UTC) if process else None,
        version=process.version if process else lock.read(shipped("jars.lock")).kafka_version,
        java=process.java if process else None,
        data=layout.data,
        log=layout.log,
    )


def connection(settings: Settings) -> dict[str, str]:
    """The librdkafka options of clients: those configured, and where the broker is.

    Raises:
        KedgeError: no broker is configured, and the embedded one does not run.
    """
    if _SERVERS in settings.kafka:
        return dict(settings.kafka)
    process = _running(Layout.of(settings.home))
    if process is None:
        raise KedgeError(
            f"no broker: none is configured, and the embedded one of {settings.home} does not run. "
            "Start it with `kedge broker start`, or name another one by "
            "KEDGE_KAFKA__BOOTSTRAP_SERVERS."
        )
    return {**settings.kafka, **_local(process)}


def _running(layout: Layout) -> Process | None:
    last = Process.last(layout.state)
    return last if last is not None and last.runs else None


def _address(process: Process) -> str:
    return f"{HOST}:{process.ports.client}"


def _local(process: Process) -> dict[str, str]:
    return {_SERVERS: _address(process)}


def _await_answer(process: Process, layout: Layout, within: float) -> None:
    def answered() -> bool:
        if _answers(process):
            return True
        if not process.runs:
            raise KedgeError(
                f"Kafka ended while it was starting. The end of {layout.log}:\n"
                f"{jvm.last_words(layout)}"
            )
        return False

    waiting = Retrying(
        retry=retry_if_result(lambda there: not there),
        stop=stop_after_delay(within),
        wait=wait_fixed(_POLL),
    )
    try:
        waiting(answered)
    except RetryError:
        raise KedgeError(
            f"Kafka did not answer on {_address(process)} within {within:g} s "
            "(KEDGE_BROKER__START_TIMEOUT). `kedge broker stop` ends what is left. "
            f"The end of {layout.log}:\n{jvm.last_words(layout)}"
        ) from None


def _answers(process: Process) -> bool:
    # A bare connection is refused at once, where a client would try again and again.
    try:
        socket.create_connection((HOST, process.ports.client), timeout=1.0).close()
    except OSError:
        return False
    return _lists_topics(_local(process))


def _lists_topics(kafka: Mapping[str, str]) -> bool:
    try:
        return bool(admin(kafka).list_topics(timeout=_ANSWER_TIMEOUT).brokers)
    except KafkaException:
        return False
