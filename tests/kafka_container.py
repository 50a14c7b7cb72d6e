"""A broker in a container, where a Docker engine answers: the processes of a run share it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from confluent_kafka import KafkaException
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kedge.broker import lock
from kedge.broker.configuration import HOST, Ports, choose_ports, server_properties
from kedge.broker.layout import exclusive, shipped
from kedge.streams.clients import admin

_SOCKET = "unix:///var/run/docker.sock"
_NOTE = "container.json"


def shared_container(folder: Path) -> str | None:
    """Bootstrap servers of the container that whoever came first has started.

    Args:
        folder: of this test run; the container is noted there.

    Returns:
        None where no engine of this machine answers, or where it has no image and can't get one.
    """
    kind, _, socket = os.environ.get("DOCKER_HOST", _SOCKET).partition("://")
    if kind != "unix" or not Path(socket).exists():
        return None
    note = folder / _NOTE
    with exclusive(folder / "container.lock", "TMPDIR"):
        if not note.exists():
            note.write_text(json.dumps(_started()))
    return json.loads(note.read_text()).get("servers")


def end_container(folder: Path) -> None:
    """Remove the container of this test run, if there is one."""
    note = folder / _NOTE
    if not note.exists() or "id" not in (known := json.loads(note.read_text())):
        return
    import docker  # noqa: PLC0415 - a run without Docker does not need it

    client = docker.from_env()
    try:
        client.containers.get(known["id"]).remove(force=True, v=True)
    finally:
        client.close()


def _started() -> dict[str, str]:
    import docker  # noqa: PLC0415 - as above
    from docker.errors import DockerException  # noqa: PLC0415
    from testcontainers.core.config import testcontainers_config  # noqa: PLC0415
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415

    # The run ends its container itself; the reaper would be another image.
    testcontainers_config.ryuk_disabled = True
    image = f"apache/kafka:{lock.read(shipped('jars.lock')).kafka_version}"
    try:
        client = docker.from_env()
        try:
            client.ping()
            if not client.images.list(name=image):
                client.images.pull(image)
        finally:
            client.close()
    except DockerException:
        return {}
    ports = choose_ports(0, None)
    container = DockerContainer(image).with_bind_ports(ports.client, ports.client)
    for name, value in _settings(ports).items():
        container.with_env(name, value)
    container.start()
    servers = f"{HOST}:{ports.client}"
    _await_answer(servers)
    return {"id": container.get_wrapped_container().id, "servers": servers}


def _settings(ports: Ports) -> dict[str, str]:
    """Those of the embedded broker, under the names that the image takes."""
    lines = server_properties(ports).splitlines()
    properties = dict(line.split("=", 1) for line in lines if line)
    properties["listeners"] = f"PLAINTEXT://:{ports.client},CONTROLLER://{HOST}:{ports.controller}"
    properties["log.dirs"] = "/tmp/kafka"
    named = {f"KAFKA_{key.replace('.', '_').upper()}": value for key, value in properties.items()}
    return named | {"CLUSTER_ID": "a2VkZ2UtdGVzdHMta2Fma2E", "KAFKA_HEAP_OPTS": "-Xmx512m"}


@retry(
    retry=retry_if_exception_type(KafkaException),
    stop=stop_after_delay(90),
    wait=wait_fixed(0.2),
    reraise=True,
)
def _await_answer(servers: str) -> None:
    admin({"bootstrap.servers": servers}).list_topics(timeout=5)
