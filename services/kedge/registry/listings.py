"""Everything in the registry, a page at a time.

A page goes on after the key of the last row of the page before (keyset pagination): what is added
in between shifts nothing, so no row comes twice or is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, Connection, Row, Table, select, tuple_

from kedge.registry import queries
from kedge.registry.audit import AuditEntry
from kedge.registry.database import Database
from kedge.registry.entries import AliasMove, CodeVersion, Refusal, Release
from kedge.registry.tables import (
    alias_moves,
    audit,
    code_versions,
    model_versions,
    models,
    refusals,
    releases,
    tokens,
)
from kedge.registry.tokens import Token

Key = tuple[int | str, ...]
Listing = Literal["model_versions", "code_versions", "releases", "alias_moves", "refusals"]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model."""

    name: str


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """A model version without its reference, which may be long."""

    model: str
    id: str
    artifact: str
    created_at: int
    actor: str


@dataclass(frozen=True, slots=True)
class _Order:
    table: Table
    entry: Any
    keys: tuple[Column[Any], ...]
    """Together they are unique; rows are sorted by them, the greatest first."""


_ORDERS: dict[str, _Order] = {
    "model_versions": _Order(
        model_versions, ListedVersion, (model_versions.c.created_at, model_versions.c.id)
    ),
    "code_versions": _Order(
        code_versions, CodeVersion, (code_versions.c.created_at, code_versions.c.id)
    ),
    "releases": _Order(releases, Release, (releases.c.number,)),
    "alias_moves": _Order(alias_moves, AliasMove, (alias_moves.c.generation,)),
    "refusals": _Order(refusals, Refusal, (refusals.c.refused_at, refusals.c.incident)),
    "audit": _Order(audit, AuditEntry, (audit.c.sequence,)),
    "tokens": _Order(tokens, Token, (tokens.c.created_at, tokens.c.name)),
}


class Listings:
    """Pages, each with the keys after which to go on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self, after: Key | None, limit: int) -> list[tuple[Key, ListedModel]]:
        """Every model, by name."""
        statement = select(models.c.name).order_by(models.c.name).limit(limit)
        if after is not None:
            statement = statement.where(models.c.name > after[0])
        with self._database.read() as connection:
            return [((name,), ListedModel(name)) for name in connection.scalars(statement)]

    def of_model(
        self, what: Listing, model: str, after: Key | None, limit: int, *, alias: str | None = None
    ) -> list[tuple[Key, Any]]:
        """What belongs to a model, or to one alias of it, the newest first.

        Raises:
            UnknownModelError: there is no such model.
            UnknownAliasError: there is no such alias.
        """
        table = _ORDERS[what].table
        wanted: list[ColumnElement[bool]] = [table.c.model == model]
        with self._database.read() as connection:
            queries.require_model(connection, model)
            if alias is not None:
                if what == "alias_moves":
                    queries.require_alias(connection, model, alias)
                wanted.append(table.c.alias == alias)
            return _page(connection, what, wanted, after, limit)

    def audit(self, after: Key | None, limit: int) -> list[tuple[Key, AuditEntry]]:
        """Who changed what, the newest first."""
        with self._database.read() as connection:
            return _page(connection, "audit", [], after, limit)

    def tokens(self, after: Key | None, limit: int) -> list[tuple[Key, Token]]:
        """Every token, the newest first."""
        with self._database.read() as connection:
            return _page(connection, "tokens", [], after, limit)


def _page(
    connection: Connection,
    what: str,
    wanted: Sequence[ColumnElement[bool]],
    after: Key | None,
    limit: int,
) -> list[tuple[Key, Any]]:
    order = _ORDERS[what]
    fields = order.entry.__dataclass_fields__
    statement = (
        select(*(order.table.c[name] for name in fields))
        .where(*wanted)
        .order_by(*(key.desc() for key in order.keys))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*order.keys) < tuple_(*after))
    return [
        (_key(row, order.keys), order.entry(**row._asdict()))
        for row in connection.execute(statement)
    ]


def _key(row: Row[Any], keys: Sequence[Column[Any]]) -> Key:
    return tuple(getattr(row, key.name) for key in keys)
