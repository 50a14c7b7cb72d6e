"""How a message lies in a segment, so that half a record is told from a whole one.

A record is a head and a body, little-endian:

| bytes | what |
|---|---|
| 1 | 0 while the message waits, 1 once the broker has it: the only byte that is ever changed |
| 4 | length of the body |
| 4 | CRC-32 of the length and the body |
| 1 | 0 a prediction, 1 an outcome |
| 4 | events in the message |
| 2 | length of the topic |
| 4 | length of the key; -1 for none |
| … | topic, key, value |
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

from kedge.sdk.messages import Message
from kedge.sdk.tally import Kind

DONE = b"\x01"

_HEAD = struct.Struct("<BII")
_LENGTH = struct.Struct("<I")
_BODY = struct.Struct("<BIHi")
_KINDS: tuple[Kind, ...] = ("prediction", "outcome")


@dataclass(frozen=True, slots=True)
class Record:
    """A message as it was read back.

    Attributes:
        message: the very bytes that were written.
        done: whether the broker has it.
        end: where the next record begins.
    """

    message: Message
    done: bool
    end: int


def packed(message: Message) -> bytes:
    """The record of a message that waits."""
    topic = message.topic.encode()
    key = message.key
    body = b"".join(
        (
            _BODY.pack(
                _KINDS.index(message.kind),
                message.events,
                len(topic),
                -1 if key is None else len(key),
            ),
            topic,
            key or b"",
            message.value,
        )
    )
    return _HEAD.pack(0, len(body), _checksum(body)) + body


def size(message: Message) -> int:
    """Bytes of the record of a message."""
    around = len(message.topic.encode()) + len(message.key or b"")
    return _HEAD.size + _BODY.size + around + len(message.value)


def record_at(file: int, place: int, end: int) -> Record | None:
    """The record at `place` of an open file of `end` bytes; None where no whole one lies."""
    head = os.pread(file, _HEAD.size, place)
    if len(head) < _HEAD.size:
        return None
    state, length, checksum = _HEAD.unpack(head)
    start = place + _HEAD.size
    if not _BODY.size <= length <= end - start:
        return None
    body = os.pread(file, length, start)
    if len(body) < length or _checksum(body) != checksum:
        return None
    kind, events, topic_length, key_length = _BODY.unpack_from(body)
    key_at = _BODY.size + topic_length
    value_at = key_at + max(0, key_length)
    message = Message(
        topic=body[_BODY.size : key_at].decode(),
        key=None if key_length < 0 else body[key_at:value_at],
        value=body[value_at:],
        kind=_KINDS[kind],
        events=events,
    )
    return Record(message, bool(state), start + length)


def _checksum(body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_LENGTH.pack(len(body))))
