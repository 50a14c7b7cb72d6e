"""Look-ups on an open transaction, each with an error that says what there is instead."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, insert, select
from sqlalchemy.exc import IntegrityError

from kedge.profile import Reference
from kedge.registry.entries import (
    AliasMove,
    CodeVersion,
    ModelVersion,
    Proposal,
    Refusal,
    Release,
)
from kedge.registry.errors import (
    AmbiguousVersionError,
    UnknownAliasError,
    UnknownModelError,
    UnknownReleaseError,
    UnknownVersionError,
    short,
)
from kedge.registry.tables import (
    alias_moves,
    deletions,
    model_versions,
    models,
    pickle_permissions,
    proposals,
    refusals,
    releases,
)

_SHORTEST = 6
_MOVE = [column for column in alias_moves.c if column.name != "previous"]


def model_names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(models.c.name).order_by(models.c.name)))


def require_model(connection: Connection, model: str) -> None:
    if connection.scalar(select(models.c.name).where(models.c.name == model)) is None:
        raise UnknownModelError(model, model_names(connection))


def lock_model(connection: Connection, model: str) -> None:
    """Let no other transaction number releases or move aliases of this model until the end.

    SQLite has the whole database locked already and ignores FOR UPDATE.
    """
    row = select(models.c.name).where(models.c.name == model).with_for_update()
    if connection.scalar(row) is None:
        raise UnknownModelError(model, model_names(connection))


def lock_or_make_model(connection: Connection, model: str) -> None:
    try:
        with connection.begin_nested():
            if model not in model_names(connection):
                connection.execute(insert(models).values(name=model))
    except IntegrityError:
        # Another transaction made it between the two.
        pass
    lock_model(connection, model)


def version_id(connection: Connection, table: Table, given: str, model: str | None = None) -> str:
    """The full id of a model version or code version, which may be given cut short."""
    what = "model version" if table is model_versions else "code version"
    ids = select(table.c.id).order_by(table.c.created_at.desc())
    if model is not None:
        ids = ids.where(table.c.model == model)
    cut = table.c.id.startswith(given, autoescape=True)
    found: set[str] = set(connection.scalars(ids.where(cut))) if len(given) >= _SHORTEST else set()
    if given in found:
        return given
    if not found:
        newest = list(dict.fromkeys(connection.scalars(ids.limit(10))))
        raise UnknownVersionError(what, given, model, newest)
    if len(found) > 1:
        raise AmbiguousVersionError(what, given, sorted(map(short, found)))
    return found.pop()


PERMITTED_VERSIONS = model_versions.outerjoin(
    pickle_permissions,
    (pickle_permissions.c.model == model_versions.c.model)
    & (pickle_permissions.c.model_version == model_versions.c.id),
)
"""Model versions, each beside the permission to load its pickle, if there is one."""

PICKLE_ALLOWED_BY = pickle_permissions.c.actor.label("pickle_allowed_by")


def model_versions_of(connection: Connection, *where: ColumnElement[bool]) -> list[ModelVersion]:
    """The model versions for which all of it holds, the oldest first."""
    rows = connection.execute(
        select(model_versions, PICKLE_ALLOWED_BY)
        .select_from(PERMITTED_VERSIONS)
        .where(*where)
        .order_by(model_versions.c.created_at, model_versions.c.id)
    )
    found = []
    for row in rows:
        values = row._asdict()
        values["reference"] = Reference.from_record(json.loads(values["reference"]))
        found.append(ModelVersion(**values))
    return found


def code_version(row: Row[Any]) -> CodeVersion:
    return CodeVersion(**row._asdict())


def release(connection: Connection, model: str, number: int) -> Release:
    row = connection.execute(
        select(releases).where(releases.c.model == model, releases.c.number == number)
    ).one_or_none()
    if row is None:
        require_model(connection, model)
        raise UnknownReleaseError(model, number, last_number(connection, model))
    return Release(**row._asdict())


def last_number(connection: Connection, model: str) -> int:
    """Number of the newest release, deleted or not; 0 if there never was one."""
    newest = select(func.max(releases.c.number)).where(releases.c.model == model)
    gone = select(deletions.c.subject).where(
        deletions.c.model == model, deletions.c.kind == releases.name
    )
    return max(connection.scalar(newest) or 0, *map(int, connection.scalars(gone)), 0)


def moves(connection: Connection, model: str, alias: str) -> list[AliasMove]:
    """Every move of an alias, the oldest first."""
    rows = connection.execute(
        select(*_MOVE)
        .where(alias_moves.c.model == model, alias_moves.c.alias == alias)
        .order_by(alias_moves.c.generation)
    )
    return [AliasMove(**row._asdict()) for row in rows]


def latest_moves(connection: Connection, model: str, alias: str | None = None) -> list[AliasMove]:
    """Where the aliases of a model point, by name; or one of them."""
    newest = (
        select(alias_moves.c.alias, func.max(alias_moves.c.generation).label("generation"))
        .where(alias_moves.c.model == model)
        .group_by(alias_moves.c.alias)
    )
    if alias is not None:
        newest = newest.where(alias_moves.c.alias == alias)
    last = newest.subquery()
    rows = connection.execute(
        select(*_MOVE)
        .join(
            last,
            (alias_moves.c.alias == last.c.alias) & (alias_moves.c.generation == last.c.generation),
        )
        .where(alias_moves.c.model == model)
        .order_by(alias_moves.c.alias)
    )
    return [AliasMove(**row._asdict()) for row in rows]


def require_alias(connection: Connection, model: str, alias: str) -> AliasMove:
    """The latest move of an alias."""
    known = {move.alias: move for move in latest_moves(connection, model)}
    if alias not in known:
        raise UnknownAliasError(model, alias, list(known))
    return known[alias]


def move_for(connection: Connection, incident: str) -> AliasMove | None:
    """The move that answered an incident."""
    row = connection.execute(select(*_MOVE).where(alias_moves.c.incident == incident)).one_or_none()
    return None if row is None else AliasMove(**row._asdict())


def refusal_of(connection: Connection, incident: str) -> Refusal | None:
    """The refusal to move anything for an incident."""
    row = connection.execute(select(refusals).where(refusals.c.incident == incident)).one_or_none()
    return None if row is None else Refusal(**row._asdict())


def refusals_of_alias(connection: Connection, model: str, alias: str) -> list[Refusal]:
    """Every refusal to move an alias, the oldest first."""
    rows = connection.execute(
        select(refusals)
        .where(refusals.c.model == model, refusals.c.alias == alias)
        .order_by(refusals.c.refused_at, refusals.c.incident)
    )
    return [Refusal(**row._asdict()) for row in rows]


def proposals_where(connection: Connection, *where: ColumnElement[bool]) -> list[Proposal]:
    """The proposals for which all of it holds, the oldest first."""
    rows = connection.execute(select(proposals).where(*where).order_by(proposals.c.id))
    return [Proposal(**row._asdict()) for row in rows]
