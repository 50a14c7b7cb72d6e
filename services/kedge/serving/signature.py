"""What the inference code gives a model, held against the signature that the model version has.

A mismatch is counted and said once, and refuses nothing: the answer is the model's affair, and what
it was given is logged and judged on the stream.
"""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from kedge.contracts.values import plain
from kedge.profile.signature import ColumnSpec, ColumnType

_MOST = 200
"""Most features that are counted by name: names of unknown ones may be made up by callers."""

_OTHERS = "…"
_log = structlog.get_logger(__name__)


class SignatureCheck:
    """Counts mismatches of one release's prepared features."""

    def __init__(self, signature: Iterable[ColumnSpec], release: int) -> None:
        self._types = {spec.name: spec.type for spec in signature if spec.role == "feature"}
        self._release = release
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def count(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the features of some requests. Never raises."""
        try:
            found = [mismatch for row in rows for mismatch in self._mismatches(row)]
        except Exception:  # noqa: BLE001 - foreign values may raise anything
            _log.exception("signature_unchecked", release=self._release)
            return
        if found:
            with self._lock:
                for kind, name in found:
                    self._add(kind, name)

    @property
    def mismatches(self) -> dict[str, dict[str, int]]:
        """How many rows, by kind (`missing`, `unknown`, `wrong_type`) and feature."""
        with self._lock:
            kinds = sorted({kind for kind, _ in self._counts})
            return {
                kind: {name: n for (of, name), n in self._counts.items() if of == kind}
                for kind in kinds
            }

    def _mismatches(self, row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        types = self._types
        for name in types.keys() - row.keys():
            yield "missing", name
        for name, value in row.items():
            due = types.get(name)
            if due is None:
                yield "unknown", str(name)
            elif not fits(value, due):
                yield "wrong_type", name

    def _add(self, kind: str, name: str) -> None:
        if (kind, name) not in self._counts:
            if len(self._counts) >= _MOST:
                name = _OTHERS
            else:
                _log.warning("signature_mismatch", release=self._release, kind=kind, feature=name)
        self._counts[kind, name] += 1


def fits(value: Any, due: ColumnType) -> bool:
    """Whether a value is of a signature's type, as profiles count it; none at all always is."""
    known = plain(value)
    if known is None or (isinstance(known, str) and not known):
        return True
    if isinstance(known, bool):
        return due in ("boolean", "categorical")
    if isinstance(known, int | float):
        if math.isnan(known) or due in ("numeric", "categorical"):
            return True
        return due == "boolean" and known in (0, 1)
    return due == ("categorical" if isinstance(known, str) else "vector")
