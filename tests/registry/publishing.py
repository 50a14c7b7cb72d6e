"""What the tests of the outbox run in processes of their own."""

from __future__ import annotations

import logging
import threading

import structlog

from kedge.registry import Registry, outbox


def commit_and_hang(settings, committed):
    """A process that dies after it committed, before anything could be published."""
    with Registry.open(settings) as registry:
        registry.create_release("m", *pair_of(registry), actor="a")
        registry.move_alias(
            "m", "production", 4, expected_generation=0, actor="a", reason="just in time"
        )
        committed.set()
        threading.Event().wait()


def publish_forever(settings):
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    outbox.run(settings, threading.Event())


def pair_of(registry):
    release = registry.release("m", 1)
    return release.model_version, release.code_version
