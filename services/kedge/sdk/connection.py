"""Where the broker is, and under which names to write: from arguments, else the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from confluent_kafka import KafkaError, KafkaException, Producer

from kedge.contracts import PredictionBatch, Topics, encode_batch
from kedge.contracts.kafka_options import from_environment
from kedge.errors import KedgeError
from kedge.sdk import lifetimes
from kedge.sdk.releases import LiveRelease, Source

Options = Mapping[str, Any]

_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,200}")
_DEFAULTS: dict[str, Any] = {
    "client.id": "kedge-sdk",
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "zstd",
    "linger.ms": 5,
    # A broker that is away is waited for: what bounds the wait is the room in the queues.
    "message.timeout.ms": 0,
    "queue.buffering.max.kbytes": 65536,
    # As Java's clients: outcomes of one prediction meet in one partition, whoever sends them.
    "partitioner": "murmur2_random",
    "socket.keepalive.enable": True,
    # It would write a line to standard error for every attempt to connect; `note` says it once.
    "log_level": 2,
}
_LARGEST_MESSAGE = 1_000_000
_SPOOL_BYTES = 256 * 1024 * 1024
_LEAST_SPOOL = 64 * 1024


def kafka_options(given: Options | None) -> dict[str, Any]:
    """Librdkafka options: those given, else those of `KEDGE_KAFKA__…`.

    Raises:
        KedgeError: no broker is named.
    """
    options = dict(from_environment(os.environ) if given is None else given)
    if not options.get("bootstrap.servers"):
        raise KedgeError(
            "no broker is named: set KEDGE_KAFKA__BOOTSTRAP_SERVERS=host:port, or pass "
            'kafka={"bootstrap.servers": "host:port"}'
        )
    return options


def topics(prefix: str | None) -> Topics:
    """The topics under the prefix given, else under `KEDGE_TOPIC_PREFIX`, else under `kedge`.

    Raises:
        KedgeError: the prefix can't begin the name of a topic.
    """
    name = os.environ.get("KEDGE_TOPIC_PREFIX", "kedge") if prefix is None else prefix
    if not isinstance(name, str) or not _PREFIX.fullmatch(name):
        raise KedgeError(
            f"the topic prefix {name!r} can't be: up to 200 letters, digits, `.`, `_` and `-`"
        )
    return Topics(name)


def environment(given: str | None) -> str:
    """The tag given, else `KEDGE_ENVIRONMENT`, else `production`.

    Raises:
        KedgeError: it is no name.
    """
    tag = os.environ.get("KEDGE_ENVIRONMENT", "production") if given is None else given
    if not isinstance(tag, str) or not tag:
        raise KedgeError(f"environment is {tag!r}, where a name such as 'production' is due")
    return tag


def spool(folder: str | Path | None, most: int | None) -> tuple[Path, int] | None:
    """Where messages are kept and how many bytes; None where they are not.

    From the arguments, else from `KEDGE_SPOOL` and `KEDGE_SPOOL_BYTES`.

    Raises:
        KedgeError: the folder or the number can't be.
    """
    if folder is None:
        folder = os.environ.get("KEDGE_SPOOL") or None
    if most is None:
        text = os.environ.get("KEDGE_SPOOL_BYTES") or str(_SPOOL_BYTES)
        most = int(text) if text.isascii() and text.isdigit() else -1
    if not isinstance(most, int) or most < _LEAST_SPOOL:
        raise KedgeError(
            f"spool_bytes (KEDGE_SPOOL_BYTES) is too small or no number: {_LEAST_SPOOL} bytes or "
            "more are due"
        )
    if folder is None:
        return None
    if not isinstance(folder, str | Path) or not str(folder):
        raise KedgeError(f"spool is {folder!r}, where the path of a folder is due")
    # Where the process will be in an hour is not where it is now.
    return Path(folder).absolute(), most


def new_producer(kafka: Options, note: Callable[[str], object]) -> Producer:
    """A producer with the SDK's defaults; what the user sets wins.

    Args:
        kafka: librdkafka options.
        note: told what goes wrong with connections.

    Raises:
        KafkaException: librdkafka refuses an option.
    """

    def on_error(error: KafkaError) -> None:
        note(error.str())

    with lifetimes.changing_clients():
        return Producer({**_DEFAULTS, "error_cb": on_error, **kafka})


def largest_message(kafka: Options) -> int:
    """Bytes of a message that is surely taken: some room is left for headers."""
    return int(kafka.get("message.max.bytes", _LARGEST_MESSAGE)) * 9 // 10


def check(kafka: Options, source: Source, environment: str) -> None:
    """Try what a logger will do.

    Raises:
        KedgeError: the options, the source or the environment can't be.
    """
    try:
        # A follower has no release yet, perhaps.
        release = source if isinstance(source, LiveRelease) else None
        tags = (release or LiveRelease(source.model, 1, "", "")).tags(environment)
    except AttributeError as error:
        raise KedgeError(
            f"the source of releases is a {type(source).__name__}, where follow(…) or a "
            "LiveRelease is due"
        ) from error
    no_times, no_latencies = np.zeros(0, np.int64), np.zeros(0, np.float32)
    try:
        encode_batch(PredictionBatch(tags, (), no_times, no_latencies, ()))
    except ValueError as error:
        raise KedgeError(f"{tags} can't be written: {error}") from error
    try:
        largest_message(kafka)
        with lifetimes.changing_clients():
            new_producer(kafka, str)
    except (KafkaException, ValueError, TypeError) as error:
        raise refused(error) from error


def refused(error: KafkaException | ValueError | TypeError) -> KedgeError:
    """What librdkafka says of options that it does not take."""
    return KedgeError(
        f"the Kafka client does not take its options: {error}. They are the argument `kafka`, or "
        "KEDGE_KAFKA__… in the environment; librdkafka's CONFIGURATION.md lists them all"
    )
