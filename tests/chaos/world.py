"""What the faults happen to: a broker of its own, a registry with a story, and real processes."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from chaos.schedule import ALWAYS
from kedge import broker
from kedge.contracts import Tags, Topics, columns_of
from kedge.demo.receiver import Receiver, listening
from kedge.profile import Reference, reference_of
from kedge.registry import Registry
from kedge.registry.outbox import publish_pending
from kedge.settings import Settings
from kedge.streams.topics import create_topics
from kedge.supervisor import Child, Supervisor
from services import PATIENCE, eventually

MODEL, ALIAS, ENVIRONMENT = "flights", "production", "production"
PARTITIONS = 2
WINDOW = 10_000_000
"""Event time, in microseconds."""

POLICY = """
model = "flights"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
above = 0.4
min_rows = 100
severity = "critical"
action = "rollback"
[[webhooks]]
name = "on-call"
url = "{url}"
retry_seconds = [0.5, 1, 2, 5, 5, 5, 5, 5, 5, 5]
"""
_SECRET = f"whsec_{base64.b64encode(b'the secret of the chaos suite').decode()}"


@dataclass(slots=True)
class World:
    """Everything that runs.

    Attributes:
        broker: settings of the embedded broker.
        settings: of everything else: the broker is named by its address, as another machine would.
        reference: of both releases.
        releases: tags by number. The second one loses an input.
        stop: ends the supervisor and all workers.
        workers: by the names of the schedule.
    """

    broker: Settings
    settings: Settings
    environment: dict[str, str]
    registry: Registry
    reference: Reference
    releases: dict[int, Tags]
    receiver: Receiver
    supervisor: Supervisor
    stop: Callable[[], None]
    workers: dict[str, Child] = field(default_factory=dict)

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.topic_prefix)

    def add(self, name: str) -> None:
        """Run one more worker, named as in the schedule: service and instance."""
        service, instance = name.split("-")
        environment = {**self.environment, "KEDGE_STREAM__INSTANCE": instance}
        self.workers[name] = Child(name, ("run", service), environment)
        self.supervisor.add(self.workers[name])

    def remove(self, name: str) -> None:
        """Stop a worker for good."""
        self.supervisor.remove(self.workers.pop(name))

    def ship(self) -> None:
        """Move the alias to the release that loses an input."""
        self.registry.move_alias(
            MODEL, ALIAS, 2, expected_generation=1, actor="chaos", reason="shipped"
        )

    @property
    def serving(self) -> int:
        """The release that the alias points at."""
        return self.registry.alias(MODEL, ALIAS).to_release


@contextmanager
def world(home: Path) -> Iterator[World]:
    """Start it all; everything is stopped at the end."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [each for each in os.environ if each.upper().startswith("KEDGE_")]:
            patch.delenv(name)
        own = Settings(home=home)
        receiver = Receiver(_SECRET)
        address = broker.start(own)
        try:
            with listening(receiver) as url:
                variables = _variables(home, address, url)
                for name, value in variables.items():
                    patch.setenv(name, value)
                settings = Settings()
                create_topics(settings.kafka, settings)
                with Registry.open(settings) as registry:
                    reference, releases = _release(registry, home)
                    # What is sent before its release is known would be a dead letter.
                    publish_pending(settings)
                    with _supervised(home / "logs") as (supervisor, stop):
                        made = World(
                            *(own, settings, variables, registry, reference, releases),
                            *(receiver, supervisor, stop),
                        )
                        for name in ALWAYS:
                            made.add(name)
                        yield made
        finally:
            broker.stop(own)


def _variables(home: Path, address: str, url: str) -> dict[str, str]:
    policy = home / "policy.toml"
    policy.write_text(POLICY.format(url=url))
    return {
        "KEDGE_HOME": str(home),
        "KEDGE_TOPIC_PREFIX": "chaos",
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": address,
        "KEDGE_STREAM__WINDOW": str(WINDOW / 1e6),
        "KEDGE_STREAM__PARTITIONS": str(PARTITIONS),
        # Small micro-batches, so that there is always one under way to be killed in.
        "KEDGE_STREAM__BATCH_RECORDS": "10",
        # Whatever stands still for however long: nothing is too late here.
        "KEDGE_STREAM__ALLOWED_LATENESS": str(365 * 86_400),
        "KEDGE_ALERTING__POLICY": str(policy),
        "KEDGE_ALERTING__WEBHOOK_SECRET": _SECRET,
        "KEDGE_WEBHOOKS__ALLOW": "127.0.0.1",
        "KEDGE_ARCHIVE__FLUSH_SECONDS": "2",
        "KEDGE_EVALUATOR__BATCH_RECORDS": "200",
        "KEDGE_EVALUATOR__PUBLISH_EVERY": "1",
    }


def _release(registry: Registry, home: Path) -> tuple[Reference, dict[int, Tags]]:
    """Two releases of one model that differ in their code; the first one is in production."""
    rng = np.random.default_rng(0)
    rows = [
        {"x": float(rng.normal()) if rng.random() > 0.1 else None, "y": float(rng.normal())}
        for _ in range(1000)
    ]
    scores = [{"score": float(score)} for score in rng.random(len(rows))]
    reference = reference_of([*columns_of(rows, "feature"), *columns_of(scores, "output")])
    artifact = home / "model.bin"
    artifact.write_bytes(b"weights")
    version = registry.register_model(MODEL, artifact, reference, actor="chaos")
    releases = {}
    for letter in "ab":
        code = registry.register_code(MODEL, commit=letter * 40, actor="chaos")
        made = registry.create_release(MODEL, version.id, code.id, actor="chaos")
        releases[made.number] = Tags(MODEL, version.id, code.id, made.number, ENVIRONMENT)
    registry.move_alias(MODEL, ALIAS, 1, expected_generation=0, actor="chaos", reason="first")
    return reference, releases


@contextmanager
def _supervised(logs: Path) -> Iterator[tuple[Supervisor, Callable[[], None]]]:
    """A supervisor at work, and what ends it with all its children."""
    told = threading.Event()
    supervisor = Supervisor([], logs=logs, tend=lambda: None)
    thread = threading.Thread(target=supervisor.run, args=(told,), name="supervisor")

    def stop() -> None:
        told.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()

    thread.start()
    try:
        yield supervisor, stop
    finally:
        stop()


def process_of(child: Child):
    """The process of a worker, once it has one: it may just be between two lives."""
    return eventually(lambda: child.process, lambda process: process is not None)
