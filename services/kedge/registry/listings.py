"""Everything in the registry, a page at a time.

A page goes on after the key of the last row of the page before (keyset pagination): what is added
in between shifts nothing, so no row comes twice or is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Table,
    and_,
    or_,
    select,
    tuple_,
)

from kedge.clock import Clock
from kedge.registry import queries
from kedge.registry.audit import AuditEntry
from kedge.registry.database import Database
from kedge.registry.entries import (
    AliasMove,
    CodeVersion,
    Deletion,
    Proposal,
    ProposalState,
    Refusal,
    Release,
    Silence,
    SilenceState,
)
from kedge.registry.silences import EVERY_SILENCE, silence_of
from kedge.registry.tables import (
    alias_moves,
    audit,
    code_versions,
    deletions,
    model_versions,
    models,
    proposals,
    refusals,
    releases,
    silence_expiries,
    silences,
    tokens,
)
from kedge.registry.tokens import Token

Key = tuple[int | str, ...]
Listing = Literal[
    "model_versions", "code_versions", "releases", "alias_moves", "refusals", "deletions"
]


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
    format: str
    pickle_allowed_by: str | None = None


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
    "deletions": _Order(deletions, Deletion, (deletions.c.sequence,)),
    "proposals": _Order(proposals, Proposal, (proposals.c.id,)),
    "audit": _Order(audit, AuditEntry, (audit.c.sequence,)),
    "tokens": _Order(tokens, Token, (tokens.c.created_at, tokens.c.name)),
}


class Listings:
    """Pages, each with the keys after which to go on."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database, self._now = database, now

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

    def proposals(
        self,
        after: Key | None,
        limit: int,
        *,
        model: str | None = None,
        alias: str | None = None,
        state: ProposalState | None = None,
    ) -> list[tuple[Key, Proposal]]:
        """Proposals as they are now, the newest first."""
        now, of = self._now(), proposals.c
        over = and_(of.state == "pending", of.expires_at <= now)
        wanted = [
            column == value for column, value in ((of.model, model), (of.alias, alias)) if value
        ]
        if state == "pending":
            wanted.append(and_(of.state == state, of.expires_at > now))
        elif state is not None:
            wanted.append(or_(of.state == state, over) if state == "expired" else of.state == state)
        with self._database.read() as connection:
            found = _page(connection, "proposals", wanted, after, limit)
        return [(key, proposal.as_of(now)) for key, proposal in found]

    def silences(
        self, after: Key | None, limit: int, *, state: SilenceState | None = None
    ) -> list[tuple[Key, Silence]]:
        """Silences, the newest first.

        Args:
            after: where to go on.
            limit: most of them.
            state: as of now.
        """
        now, expired_at = self._now(), silence_expiries.c.expired_at
        over = or_(silences.c.ends_at <= now, and_(expired_at.is_not(None), expired_at <= now))
        begun = silences.c.starts_at <= now
        statement = EVERY_SILENCE.order_by(silences.c.id.desc()).limit(limit)
        if state is not None:
            wanted = {"expired": over, "active": begun & ~over, "pending": ~begun & ~over}
            statement = statement.where(wanted[state])
        if after is not None:
            statement = statement.where(silences.c.id < after[0])
        with self._database.read() as connection:
            return [((row.id,), silence_of(row)) for row in connection.execute(statement)]

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
    source: FromClause = order.table
    columns: list[ColumnElement[Any]] = [
        order.table.c[name] for name in order.entry.__dataclass_fields__ if name in order.table.c
    ]
    if order.table is model_versions:
        source = queries.PERMITTED_VERSIONS
        columns.append(queries.PICKLE_ALLOWED_BY)
    keys = [key.label(f"key_{place}") for place, key in enumerate(order.keys)]
    statement = (
        select(*columns, *keys)
        .select_from(source)
        .where(*wanted)
        .order_by(*(key.desc() for key in order.keys))
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(*order.keys) < tuple_(*after))
    own = len(columns)
    return [
        (tuple(row[own:]), order.entry(**dict(zip(row._fields[:own], row[:own], strict=True))))
        for row in connection.execute(statement)
    ]
