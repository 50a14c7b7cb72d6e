"""What is decided on an incident, on an open transaction that has locked the model."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, insert

from kedge.registry import events, queries
from kedge.registry.entries import AliasMove, Proposal, Refusal
from kedge.registry.errors import IncidentConflictError, StaleAliasError
from kedge.registry.tables import alias_moves, proposals


def decided(
    connection: Connection, model: str, alias: str, incident: str
) -> AliasMove | Refusal | Proposal | None:
    """What was decided on an incident: it is decided once.

    Raises:
        IncidentConflictError: the incident has moved another alias.
    """
    made = queries.move_for(connection, incident)
    if made is not None and (made.model, made.alias) != (model, alias):
        raise IncidentConflictError(model, alias, made)
    if (known := made or queries.refusal_of(connection, incident)) is not None:
        return known
    asked = queries.proposals_where(connection, proposals.c.incident == incident)
    return asked[0] if asked else None


def append_move(
    connection: Connection,
    now: int,
    model: str,
    alias: str,
    to_release: int,
    *,
    expected_generation: int,
    actor: str,
    reason: str,
    incident: str | None,
    share: float | None = None,
) -> AliasMove:
    """Make the next move of an alias. It keeps its share where none is given.

    Raises:
        StaleAliasError: the alias is at another generation.
    """
    target = queries.release(connection, model, to_release)
    current = next(iter(queries.latest_moves(connection, model, alias)), None)
    generation = current.generation if current else 0
    if generation != expected_generation:
        raise StaleAliasError(model, alias, expected_generation, current)
    move = AliasMove(
        model,
        alias,
        generation + 1,
        current.to_release if current else None,
        to_release,
        actor,
        reason,
        incident,
        now,
        share if share is not None or current is None else current.share,
    )
    connection.execute(insert(alias_moves).values(previous=generation or None, **asdict(move)))
    events.add_move(connection, move, target)
    return move
