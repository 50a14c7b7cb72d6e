"""Avro single-object encoding: 0xC3 0x01, the schema's fingerprint, the body.

No schema registry is needed: a message names its schema, and every version that was ever released
is in the package.
"""

from __future__ import annotations

import io

import fastavro

from kedge.contracts.schemas import Record, by_fingerprint, current
from kedge.contracts.topics import LONGEST_MESSAGE

MAGIC = b"\xc3\x01"
_HEADER = len(MAGIC) + 8


class UnreadableMessageError(ValueError):
    """The bytes are no message of any contract; the text says what is wrong with them."""


def encode(name: str, record: Record) -> bytes:
    """`record` as a message of the contract `name`.

    Raises:
        ValueError: the record does not fit the schema.
    """
    contract = current(name)
    buffer = io.BytesIO()
    buffer.write(MAGIC + contract.fingerprint)
    try:
        fastavro.schemaless_writer(buffer, contract.schema, record)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a {name}: {error}") from error
    return buffer.getvalue()


def decode(data: bytes | None, *expected: str) -> tuple[str, Record]:
    """The contract's name and the record of a message.

    Args:
        data: the value of a Kafka message.
        expected: names of the contracts that may stand here; none means any.

    Raises:
        UnreadableMessageError: the bytes can't be read, or are of a contract not expected here.
    """
    if not data:
        raise UnreadableMessageError("the message has no value")
    if data[:2] != MAGIC:
        hint = (
            "; this looks like the Confluent wire format: send Avro single-object encoding"
            if data[0] == 0
            else ""
        )
        raise UnreadableMessageError(
            f"starts with 0x{data[:2].hex()}, not with 0xc301 as Avro single-object encoding{hint}"
        )
    contract = by_fingerprint().get(data[2:_HEADER])
    if contract is None:
        raise UnreadableMessageError(
            f"schema fingerprint 0x{data[2:_HEADER].hex()} is of no released version of "
            "any schema in schemas/"
        )
    if expected and contract.name not in expected:
        raise UnreadableMessageError(
            f"is a {contract.name}, where {' or '.join(expected)} is expected"
        )
    # Before anything is decoded: what was compressed in Kafka may be of any size here. Only a dead
    # letter may be longer, as it holds what was.
    if len(data) > LONGEST_MESSAGE and contract.name != "dead_letter":
        raise UnreadableMessageError(
            f"is a {contract.name} of {len(data)} bytes, where {LONGEST_MESSAGE} can be"
        )
    body = io.BytesIO(data)
    body.seek(_HEADER)
    try:
        record = fastavro.schemaless_reader(body, contract.schema, current(contract.name).schema)
    except Exception as error:
        raise UnreadableMessageError(
            f"is cut short or damaged: {type(error).__name__}: {error}"
        ) from error
    if body.tell() != len(data):
        raise UnreadableMessageError(
            f"has {len(data) - body.tell()} bytes more than a {contract.name} takes"
        )
    assert isinstance(record, dict)
    return contract.name, record
