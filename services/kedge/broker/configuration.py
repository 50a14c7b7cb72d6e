"""The server.properties of the embedded broker, and the ports it takes."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass

from kedge.contracts import LONGEST_MESSAGE
from kedge.errors import KedgeError

HOST = "127.0.0.1"
"""Loopback only: the embedded broker has neither encryption nor passwords."""

# Below the ports that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere):
# a client that tries to reach a stopped broker could be given the broker's own port, connect to
# itself, and keep the broker from coming back.
_PORTS = range(20_000, 32_768)

_MIB = 1024 * 1024
_BATCH_OVERHEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Ports:
    """Where it listens: for clients, and as controller for itself."""

    client: int
    controller: int


def choose_ports(wanted: int, last: Ports | None) -> Ports:
    """The ports for a start: those of the last one, so that clients find it again, if still free.

    Args:
        wanted: the client port that the user asked for; 0 for any.
        last: of the last start.

    Raises:
        KedgeError: the port that the user asked for is taken, or none is free.
    """
    if wanted and not _is_free(wanted):
        raise KedgeError(
            f"port {wanted} (KEDGE_BROKER__PORT) is taken by another process: "
            "choose another one, or 0 for a free one."
        )
    client = wanted or _free_port(last.client if last else None, taken=None)
    return Ports(client, _free_port(last.controller if last else None, taken=client))


def _free_port(preferred: int | None, taken: int | None) -> int:
    candidates = random.sample(_PORTS, len(_PORTS))
    if preferred is not None:
        candidates.insert(0, preferred)
    for port in candidates:
        if port != taken and _is_free(port):
            return port
    raise KedgeError(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free on {HOST}.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Java does: connections of the last run that linger don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def server_properties(ports: Ports) -> str:
    """The whole file; `data` is relative to the JVM's working directory, so any path will do."""
    client, controller = f"{HOST}:{ports.client}", f"{HOST}:{ports.controller}"
    properties = {
        # One node is broker and controller.
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{client}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": "data",
        # There is nobody to replicate to.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Internal topics of 50 partitions are for clusters.
        "offsets.topic.num.partitions": 2,
        "transaction.state.log.num.partitions": 2,
        "share.coordinator.state.topic.num.partitions": 2,
        # A misspelt topic shall fail, not spring into being.
        "auto.create.topics.enable": "false",
        # A consumer group of one machine is complete as soon as it asks.
        "group.initial.rebalance.delay.ms": 0,
        "message.max.bytes": LONGEST_MESSAGE + _BATCH_OVERHEAD,
        "replica.fetch.max.bytes": LONGEST_MESSAGE + _BATCH_OVERHEAD,
        # A week, in segments small enough that deletion and compaction find some to work on.
        "log.retention.hours": 7 * 24,
        "log.segment.bytes": 128 * _MIB,
        # The default is a quarter of our whole heap.
        "log.cleaner.dedupe.buffer.size": 16 * _MIB,
    }
    return "".join(f"{key}={value}\n" for key, value in properties.items())
