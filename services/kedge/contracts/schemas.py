"""The Avro contracts in `schemas/`, found by name or by fingerprint."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import fastavro.schema

Record = dict[str, Any]

NAMES = (
    "prediction",
    "prediction_batch",
    "outcome",
    "profile",
    "performance",
    "statistic",
    "alert",
    "notification",
    "release_event",
    "dead_letter",
    "account",
)


@dataclass(frozen=True, slots=True)
class Contract:
    """One version of one schema.

    Attributes:
        name: file name without its ending, for example `prediction`.
        schema: the schema parsed by fastavro, logical types left out: Kedge counts in plain
            microseconds.
        fingerprint: 8 bytes, CRC-64-AVRO of the Parsing Canonical Form, little-endian.
    """

    name: str
    schema: Any
    fingerprint: bytes


def directory() -> Path:
    """Where the `.avsc` files are: in the wheel beside this file, else in the checkout."""
    installed = Path(__file__).parent / "schemas"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "schemas"


def load(path: Path, name: str) -> Contract:
    """The contract in one `.avsc` file.

    Raises:
        ValueError: the file is not a valid Avro schema.
    """
    try:
        parsed = fastavro.schema.parse_schema(_without_logical_types(json.loads(path.read_text())))
    except (ValueError, fastavro.schema.SchemaParseException) as error:
        raise ValueError(f"{path} is not a valid Avro schema: {error}") from error
    canonical = fastavro.schema.to_parsing_canonical_form(parsed)
    return Contract(name, parsed, crc_64_avro(canonical.encode()).to_bytes(8, "little"))


@cache
def current(name: str) -> Contract:
    """The version of the contract that Kedge writes, and reads everything as."""
    return load(directory() / f"{name}.avsc", name)


@cache
def by_fingerprint() -> dict[bytes, Contract]:
    """Every version ever released, and the current ones."""
    contracts = [current(name) for name in NAMES]
    contracts += [
        load(path, path.parent.name) for path in sorted(directory().glob("released/*/*.avsc"))
    ]
    return {contract.fingerprint: contract for contract in contracts}


_EMPTY = 0xC15D213AA4D7A795


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_EMPTY & -(value & 1))
        table.append(value)
    return tuple(table)


def crc_64_avro(data: bytes) -> int:
    """64-bit Rabin fingerprint (Avro 1.12 specification, "Schema Fingerprints")."""
    table, value = _crc_table(), _EMPTY
    for byte in data:
        value = (value >> 8) ^ table[(value ^ byte) & 0xFF]
    return value


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        return {k: _without_logical_types(v) for k, v in node.items() if k != "logicalType"}
    return [_without_logical_types(item) for item in node] if isinstance(node, list) else node
