"""Pure: what is in a message, as far as it can be read."""

from __future__ import annotations

from itertools import islice
from typing import Any

from kedge.contracts import Record, UnreadableMessageError, decode, decode_predictions

_SHOWN = 5
"""Ids and columns that are named; a message may have a million."""

_LONGEST_TEXT = 200


def described(value: bytes | None) -> Record:
    """What can be said of a message, the most telling first: a value or a list by name.

    `error` says where reading ended; what stands before it could be read.
    """
    try:
        name, record = decode(value)
    except UnreadableMessageError as error:
        return {"error": str(error)}
    known: Record = {"contract": name} | {
        field: _cut(content)
        for field, content in record.items()
        if isinstance(content, str | int | float)
    }
    if record.get("producer"):
        known["producer"] = record["producer"]
    if name not in ("prediction", "prediction_batch"):
        return known
    try:
        predictions = decode_predictions(value)
    except UnreadableMessageError as error:
        return known | {"error": str(error)}
    known |= {"rows": predictions.rows, "ids": [_cut(i) for i in islice(predictions.ids, _SHOWN)]}
    if predictions.rows:
        times = predictions.event_times
        known |= {"first_event_time": int(times.min()), "last_event_time": int(times.max())}
    columns = [f"{c.role} `{_cut(c.name)}`: {c.type}" for c in predictions.columns[:_SHOWN]]
    return known | {"column_count": len(predictions.columns), "columns": columns}


def _cut(content: Any) -> Any:
    if isinstance(content, str) and len(content) > _LONGEST_TEXT:
        return f"{content[:_LONGEST_TEXT]}… ({len(content)} characters)"
    return content


def hex_dump(data: bytes) -> str:
    r"""Bytes as people read them: offset, sixteen bytes, and what of them is printable.

    >>> print(hex_dump(b"\xc3\x01kedge"))
    00000000  c3 01 6b 65 64 67 65                             |..kedge|
    """
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)  # noqa: PLR2004 - ASCII
        lines.append(f"{start:08x}  {row.hex(' '):<47}  |{letters}|")
    return "\n".join(lines)
