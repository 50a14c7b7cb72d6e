"""The suite's own broker in a container: `make test-containers`."""

import os

import docker
import pytest

pytestmark = pytest.mark.skipif(
    "KEDGE_TEST_CONTAINERS" not in os.environ or "KEDGE_KAFKA__BOOTSTRAP_SERVERS" in os.environ,
    reason="needs Docker: make test-containers",
)


def test_the_broker_of_the_tests_is_in_a_container(kafka, settings):
    port = int(kafka["bootstrap.servers"].rpartition(":")[2])
    client = docker.from_env()
    try:
        found = [c for c in client.containers.list() if f"{port}/tcp" in c.ports]
    finally:
        client.close()
    assert len(found) == 1
    # `settings` has created topics in it.
    assert settings.kafka == kafka
