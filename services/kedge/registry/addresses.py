"""Content addresses: the same content has the same name, wherever and whenever it is registered."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from kedge.profile import Reference


def canonical(value: Any) -> str:
    """JSON with one spelling for each value: keys sorted, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def address(value: Any) -> str:
    """SHA-256 of a value's canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def reference_text(reference: Reference) -> str:
    """The canonical form of a reference, its signature included.

    A bound written as 0 and one written as 0.0 are the same bound, and -0.0 is 0.
    """
    record = reference.to_record()
    for column in record["columns"]:
        for bound in ("minimum", "maximum"):
            if column[bound] is not None:
                column[bound] = float(column[bound]) + 0.0
        column["edges"] = [float(edge) + 0.0 for edge in column["edges"]]
    return canonical(record)


def model_version_id(artifact: str, reference: str) -> str:
    """Address of a model version.

    Args:
        artifact: address of the artifact.
        reference: as from `reference_text`.
    """
    return address({"artifact": artifact, "reference": json.loads(reference)})
