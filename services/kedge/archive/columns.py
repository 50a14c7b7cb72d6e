"""What type each feature and output of a model has in the archive.

One type for good, or `avg(features.dep_delay)` would stop working on the day on which somebody
sends text there: DuckDB unites files whose types differ to text. The signature of the release says
which type, else the first value does; values of other types go to the column `untyped`. The
decisions lie in the archive, one numbered file a change, that exactly one process can make. A range
of the journal names the number it was written with, so that writing it again gives the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kedge.archive.layout import component
from kedge.archive.store import Store
from kedge.contracts import Column, Role
from kedge.contracts.predictions import State

FOLDER = "_columns"
ArchiveType = Literal["number", "boolean", "text", "vector", "map"]
"""`map`: has no column of its own, all its values are in `untyped`."""

Named = tuple[Role, str]
_MOST = 1000
"""Features, and outputs, of a model that get a column; a wide one costs every reader."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Types of one model's features and outputs, and which release is known to have which.

    Attributes:
        generation: number of the change that made it so; 0 when nothing is known.
        types: of each feature and output that ever had a value.
        known: features and outputs of each release, from its signature and its predictions: of
            these, a row that lacks one lacks it as `absent`.
    """

    generation: int = 0
    types: Mapping[Named, ArchiveType] = field(default_factory=dict)
    known: Mapping[int, frozenset[Named]] = field(default_factory=dict)

    def extended(self, release: int, types: Mapping[Named, ArchiveType | None]) -> Columns:
        """With what `release` brings; the same object where that is nothing new.

        Args:
            release: its number.
            types: of its features and outputs; None where there was no value yet.
        """
        known = self.known.get(release, frozenset())
        fresh = [named for named in types if named not in known][: max(0, 2 * _MOST - len(known))]
        untyped = {
            named: type_
            for named, type_ in types.items()
            if type_ is not None and named not in self.types
        }
        settled = dict(self.types)
        for (role, name), type_ in untyped.items():
            mine = {other.casefold() for side, other in settled if side == role}
            if len(mine) < _MOST:
                # DuckDB's names differ by more than case, and are not empty.
                fits = name and name.casefold() not in mine
                settled[role, name] = type_ if fits else "map"
        if not fresh and len(settled) == len(self.types):
            return self
        return Columns(self.generation + 1, settled, {**self.known, release: known.union(fresh)})

    def to_bytes(self) -> bytes:
        return json.dumps(
            {
                "types": [[*named, type_] for named, type_ in sorted(self.types.items())],
                "known": {
                    str(release): sorted(names) for release, names in sorted(self.known.items())
                },
            }
        ).encode()

    @classmethod
    def from_bytes(cls, generation: int, data: bytes) -> Columns:
        record = json.loads(data)
        return cls(
            generation,
            {(role, name): type_ for role, name, type_ in record["types"]},
            {
                int(release): frozenset((role, name) for role, name in names)
                for release, names in record["known"].items()
            },
        )


class ColumnLedger:
    """The columns of every model of an archive.

    Args:
        store: the archive.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._current: dict[str, Columns] = {}

    def at(self, model: str, generation: int) -> Columns:
        """As they were at `generation`."""
        if generation == 0:
            return Columns()
        return Columns.from_bytes(generation, self._store.read(_name(model, generation)))

    def extended(
        self, model: str, releases: Iterable[tuple[int, Mapping[Named, ArchiveType | None]]]
    ) -> Columns:
        """As they are once what the releases bring is known; see `Columns.extended`."""
        releases = list(releases)
        while True:
            current = self._current.get(model) or self._newest(model)
            wanted = current
            for release, types in releases:
                wanted = wanted.extended(release, types)
            if wanted is not current:
                # However many steps it took, it is one change.
                wanted = Columns(current.generation + 1, wanted.types, wanted.known)
                if not self._store.create(_name(model, wanted.generation), wanted.to_bytes()):
                    # Another archiver was quicker: what it decided holds.
                    self._current.pop(model, None)
                    continue
            self._current[model] = wanted
            return wanted

    def _newest(self, model: str) -> Columns:
        names = self._store.names(_folder(model))
        generation = max((int(name.removesuffix(".json")) for name in names), default=0)
        return self.at(model, generation)


def types_in(columns: Iterable[Column]) -> dict[Named, ArchiveType | None]:
    """The types that values of `columns` have; where one comes with several, the first."""
    types: dict[Named, ArchiveType | None] = {}
    for column in columns:
        named = (column.role, column.name)
        if types.get(named) is None:
            types[named] = _type_of(column)
    return types


def _type_of(column: Column) -> ArchiveType | None:
    if not ((column.states == State.VALUE) | (column.states == State.IMPUTED)).any():
        return None
    return "vector" if width(column) != 1 else column.type


def width(column: Column) -> int:
    """Length of its vectors; on the wire, a vector of one number is that number."""
    return int(column.values.shape[1]) if column.values.ndim > 1 else 1


def _folder(model: str) -> str:
    return f"{FOLDER}/{component('model', model)}"


def _name(model: str, generation: int) -> str:
    return f"{_folder(model)}/{generation:08d}.json"
