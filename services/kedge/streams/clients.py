"""Kafka clients with the defaults that exactly-once needs; the user's options win."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient

from kedge.contracts import LONGEST_MESSAGE

Options = Mapping[str, str]

LONGEST_LETTER = 2 * LONGEST_MESSAGE
"""Bytes that a dead letter may have: it holds a message of any size, and says what is wrong."""

_LARGEST_REQUEST = 1_000_000_000
"""The most that librdkafka takes."""

# A broker that restarts is gone from the metadata for a moment, and librdkafka forgets it, but not
# all that it knew to be there: it then waits for the forgotten one, until that knowledge is this
# old. By default it is a quarter of an hour; `send_offsets_to_transaction` waits for ever (its
# issue 5511), and a reader gets nothing new.
_FORGETFUL = {"metadata.max.age.ms": 10_000, "topic.metadata.refresh.interval.ms": 4_000}

# librdkafka logs by this; structlog's configuration routes it.
_librdkafka = logging.getLogger("librdkafka")
_log = structlog.get_logger(__name__)


def consumer(kafka: Options, group: str, **options: object) -> Consumer:
    """A consumer that sees committed messages only and commits nothing by itself.

    Args:
        kafka: librdkafka options, `bootstrap.servers` among them.
        group: consumer group.
        options: further librdkafka options, dots written as underscores.
    """
    defaults = {
        **_FORGETFUL,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "partition.assignment.strategy": "cooperative-sticky",
        # A batch is bounded by records; this bounds what librdkafka holds beside it.
        "queued.max.messages.kbytes": 65536,
        "fetch.wait.max.ms": 50,
        "session.timeout.ms": 10_000,
        "heartbeat.interval.ms": 1_000,
    }
    return Consumer(
        {**defaults, **_dotted(options), **kafka, "group.id": group, "error_cb": _note},
        logger=_librdkafka,
    )


def producer(kafka: Options, **options: object) -> Producer:
    """An idempotent producer; with `transactional_id`, one whose transactions fence older ones."""
    defaults = {
        **_FORGETFUL,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "zstd",
        "linger.ms": 5,
        # The client counts bytes before compression, the topics' own limits those after it: a
        # message that came compressed has to fit into a letter whatever its size.
        "message.max.bytes": _LARGEST_REQUEST,
        # The broker asks to try again while it still ends the transaction before this one, as it
        # does for each that follows at once: by default that costs 100 ms every time.
        "retry.backoff.ms": 10,
    }
    return Producer(
        {**defaults, **_dotted(options), **kafka, "error_cb": _note}, logger=_librdkafka
    )


def admin(kafka: Options) -> AdminClient:
    """A client for topics and groups."""
    options: dict[str, Any] = {**_FORGETFUL, **kafka, "error_cb": _note}
    return AdminClient(options, logger=_librdkafka)


def _dotted(options: Mapping[str, object]) -> dict[str, object]:
    return {key.replace("_", "."): value for key, value in options.items()}


def _note(error: KafkaError) -> None:
    """Connections come and go; the client reconnects, and its calls say what matters."""
    _log.debug("kafka_client", error=str(error))
