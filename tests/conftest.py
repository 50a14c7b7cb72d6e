"""One real broker over the whole suite; tests keep apart by topic prefix.

It is the one that `KEDGE_KAFKA__BOOTSTRAP_SERVERS` names, else one in a container where a Docker
engine answers, else the embedded one.

With `-n`, tests run in several processes, which share it. The process that was called, of which
those are children, chooses where it lies and stops it at the end, an interrupted one too.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import pytest
import s3fs
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from kafka_container import end_container, shared_container
from kedge.broker import connection, start, stop
from kedge.settings import Settings
from kedge.streams.clients import admin
from kedge.streams.topics import create_topics
from services import PATIENCE, eventually

# No wall clock decides a test: these machines are shared.
hypothesis_settings.register_profile(
    "kedge", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("kedge")


_SHARED = "kedge_shared_folder"
_OWNED = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.stash[_OWNED] = tempfile.TemporaryDirectory(prefix="kedge-tests-")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """Tell a process where the broker is that it shares."""
    node.workerinput[_SHARED] = node.config.stash[_OWNED].name


def pytest_unconfigure(config):
    if _OWNED in config.stash:
        with config.stash[_OWNED] as folder:
            stop(Settings(home=Path(folder)))
            end_container(Path(folder))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests go one by one, in our order, to whoever is free; but these share what is dear."""
    from xdist.scheduler import LoadScopeScheduling  # noqa: PLC0415 - nobody else needs it

    class Scheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            shared = (
                *("test_lifecycle.py", "broker/test_cli.py", "test_races.py", "[postgresql"),
                "test_mlflow.py",
            )
            return next((each for each in shared if each in nodeid), nodeid)

    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """What takes long begins first: else the last test of all would run alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def kafka(pytestconfig):
    """librdkafka options of the real broker."""
    if _OWNED in pytestconfig.stash:
        folder = Path(pytestconfig.stash[_OWNED].name)
    else:
        folder = Path(pytestconfig.workerinput[_SHARED])
    settings = Settings(home=folder)
    if "bootstrap.servers" not in settings.kafka and (servers := shared_container(folder)):
        return settings.kafka | {"bootstrap.servers": servers}
    start(settings)  # of processes that start it at once, one does
    return connection(settings)


@pytest.fixture
def make_settings(kafka, tmp_path):
    """Settings with a topic prefix and a home of their own, topics created."""

    prefixes = []

    def make(**sections):
        sections.setdefault("stream", {}).setdefault("partitions", 2)
        settings = Settings(
            home=tmp_path, topic_prefix=f"t{uuid.uuid4().hex[:12]}", kafka=kafka, **sections
        )
        create_topics(kafka, settings)
        prefixes.append(f"{settings.topic_prefix}.")
        return settings

    yield make
    # Thousands of idle partitions would slow the one broker down for those that come after.
    client = admin(kafka)
    names = [
        name for name in client.list_topics(timeout=30).topics if name.startswith(tuple(prefixes))
    ]
    if prefixes and names:
        for deleted in client.delete_topics(names, operation_timeout=30).values():
            deleted.result()


@pytest.fixture
def settings(make_settings):
    return make_settings()


@pytest.fixture(scope="session")
def object_store():
    """URL of a server that speaks the protocol of S3, a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    eventually(answers, bool)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(PATIENCE)


@pytest.fixture
def s3(object_store, monkeypatch):
    """Name of a bucket, with all in the environment that a client needs."""
    for name, value in {
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "not-to-be-told",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    if not files.exists("kedge"):
        files.mkdir("kedge")
    return "kedge"
