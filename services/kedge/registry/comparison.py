"""Pure: what two releases of a model differ in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedge.contracts import Record
from kedge.profile import ReferenceColumn
from kedge.registry.entries import CodeVersion, ModelVersion, Release

_TOGETHER = {
    "together": "features missing together",
    "projection": "features' projection",
    "estimator": "estimator of performance",
}
"""What a reference knows of all features at once."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same.

    Attributes:
        part: `artifact`, `signature`, `reference` or `code`.
        what: which column, commit or content.
        before: in the one release; empty where it is not there.
        after: in the other.
    """

    part: str
    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Released:
    """A release with what it pairs."""

    release: Release
    model: ModelVersion
    code: CodeVersion


def differences(before: Released, after: Released) -> Iterator[Difference]:
    """Everything that changed from one release to the other; nothing for equal pairs."""
    if before.model.artifact != after.model.artifact:
        yield Difference("artifact", "content", before.model.artifact, after.model.artifact)
    yield from _of_columns(before.model, after.model)
    if before.code.id != after.code.id:
        for name in ("commit", "bundle"):
            ours, theirs = getattr(before.code, name), getattr(after.code, name)
            if ours != theirs:
                yield Difference("code", name, ours or "", theirs or "")


def _of_columns(before: ModelVersion, after: ModelVersion) -> Iterator[Difference]:
    ours, theirs = _by_name(before), _by_name(after)
    # In the order of the newer signature; what is gone from it comes last.
    for key in dict.fromkeys([*theirs, *ours]):
        role, name = key
        old, new = ours.get(key), theirs.get(key)
        signatures = _signature(old), _signature(new)
        if signatures[0] != signatures[1]:
            yield Difference("signature", f"{role} {name}", *signatures)
        elif old is not None and new is not None and old.to_record() != new.to_record():
            yield Difference("reference", f"{role} {name}", _data(old), _data(new))
    if before.reference.rows != after.reference.rows:
        yield Difference("reference", "rows", str(before.reference.rows), str(after.reference.rows))
    one, other = before.reference.to_record(), after.reference.to_record()
    for part, what in _TOGETHER.items():
        if one[part] != other[part]:
            yield Difference("reference", what, _known(one[part]), _known(other[part]))


def _known(part: Record | None) -> str:
    return "" if part is None else "known"


def _by_name(version: ModelVersion) -> dict[tuple[str, str], ReferenceColumn]:
    return {(c.spec.role, c.spec.name): c for c in version.reference.columns}


def _signature(column: ReferenceColumn | None) -> str:
    if column is None:
        return ""
    spec = column.spec
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("from", spec.minimum), ("to", spec.maximum))
        if bound is not None
    ]
    order = [f"in the order {', '.join(spec.order)}"] if spec.order else []
    return " ".join([spec.type, *bounds, *order])


def _data(column: ReferenceColumn) -> str:
    """What of a reference's column can be told in a line."""
    rows = int(column.counts.sum() + column.missing.sum())
    missing = f"{int(column.missing.sum()) / rows:.1%} missing" if rows else "no rows"
    edges = column.bins.edges
    if len(edges):
        return f"{missing}, {len(column.bins)} bins from {edges[0]:g} to {edges[-1]:g}"
    return f"{missing}, {len(column.bins)} categories"
