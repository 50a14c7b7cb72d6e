"""One real broker over the whole suite; tests keep apart by topic prefix."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import settings as hypothesis_settings

from kedge.broker import connection, start, stop
from kedge.settings import Settings
from kedge.streams.clients import admin
from kedge.streams.topics import create_topics

# No wall clock decides a test: these machines are shared.
hypothesis_settings.register_profile("kedge", deadline=None)
hypothesis_settings.load_profile("kedge")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """librdkafka options of a real broker: the one in the environment, else the embedded one."""
    settings = Settings(home=tmp_path_factory.mktemp("broker"))
    if "bootstrap.servers" in settings.kafka:
        yield settings.kafka
        return
    start(settings)
    yield connection(settings)
    stop(settings)


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
