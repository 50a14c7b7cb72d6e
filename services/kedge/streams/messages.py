"""What goes into a micro-batch and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Message

from kedge.contracts import Record, Topics, decode, encode
from kedge.streams.accounts import Accounts

_LONGEST_DETAIL = 1000
"""Characters: names in a message, which a detail quotes, may be megabytes."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A consumed message.

    Attributes:
        topic: where it was read.
        partition: its partition.
        offset: its offset.
        timestamp: when it arrived or, where the topic says so, was made; microseconds since 1970.
        key: its key.
        value: its bytes.
        headers: in order.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def incoming(message: Message) -> Incoming:
    """What a consumer gave, as a value."""
    headers = message.headers() or ()
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Incoming(
        str(message.topic()),
        int(message.partition() or 0),
        int(message.offset() or 0),
        message.timestamp()[1] * 1000,
        message.key(),
        message.value(),
        tuple((name, v.encode() if isinstance(v, str) else v) for name, v in pairs),
    )


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to produce; without a `partition`, the key decides."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


def dead_letter(
    topics: Topics, service: str, message: Incoming, reason: str, detail: str, *, rows: int = 0
) -> Outgoing:
    """`message`, whole, as a dead letter.

    Args:
        topics: names of the topics.
        service: who gave it up.
        message: what could not be processed.
        reason: a code of the documented list (`docs/dead-letters.md`).
        detail: what exactly was wrong, for a person; cut if it is very long.
        rows: predictions in it, where that can be known.
    """
    record = {
        "service": service,
        "reason": reason,
        "detail": detail if len(detail) <= _LONGEST_DETAIL else f"{detail[:_LONGEST_DETAIL]}…",
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "key": message.key,
        "value": message.value,
        "headers": [{"name": name, "value": value} for name, value in message.headers],
        "rows": rows,
    }
    where = f"{message.topic}/{message.partition}/{message.offset}"
    return Outgoing(topics.deadletter, where.encode(), encode("dead_letter", record))


def shortened(letter: Outgoing) -> Outgoing:
    """A dead letter without its message, for a topic that does not take the whole.

    It says how many bytes are left out, and where the message was read.
    """
    _name, record = decode(letter.value, "dead_letter")
    contents = [record["key"], record["value"], *(header["value"] for header in record["headers"])]
    left_out = record["left_out"] + sum(len(content) for content in contents if content)
    nothing: Record = {"key": None, "value": None, "headers": []}
    value = encode("dead_letter", record | nothing | {"left_out": left_out})
    return Outgoing(letter.topic, letter.key, value, letter.partition)


def account_messages(accounts: Accounts, topics: Topics) -> Iterator[Outgoing]:
    """The accounts of a micro-batch, to go with its other outputs."""
    for record in accounts.records():
        yield Outgoing(topics.accounts, record["model"].encode(), encode("account", record))
