"""Aliases: where they point, and moving them from where the caller saw them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from kedge.registry import AliasMove, NothingBeforeError, StaleAliasError, UnknownAliasError
from kedge.registry.history import release_before
from kedge.web import API, problems
from kedge.web.backend import RegistryDep
from kedge.web.callers import Changes, OperatingByJson, Reading
from kedge.web.conditional import (
    ConditionalRoute,
    IfMatch,
    IfNoneMatch,
    generation_tag,
    seen_generation,
)
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import (
    AliasName,
    Generation,
    ModelName,
    ReleaseNumber,
    Text,
)
from kedge.web.problems import CHANGING, READING, ApiError, documented
from kedge.web.views import AliasView, RefusalView

router = APIRouter(
    prefix=f"{API}/models/{{model}}/aliases", tags=["aliases"], route_class=ConditionalRoute
)

_MOVING = {**CHANGING, **documented(412, 428)}
_Incident = Annotated[
    str | None,
    StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$"),
    Field(description="What this answers. An incident is decided once."),
]


class Move(BaseModel):
    """Where an alias is to point."""

    model_config = ConfigDict(extra="forbid")

    release: ReleaseNumber
    share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Of the traffic, that the release gets as a canary; by default as before.",
    )
    reason: Text = ""
    incident: _Incident = None
    expected_generation: Generation = None


class Rollback(BaseModel):
    """Why an alias is to point where it did."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = ""
    incident: _Incident = None
    expected_generation: Generation = None


@router.get("", responses=READING, dependencies=[Reading])
def list_aliases(model: ModelName, registry: RegistryDep) -> list[AliasView]:
    """Every alias of a model and where it points, by name."""
    return [AliasView.model_validate(move) for move in registry.aliases(model)]


@router.get("/{alias}", responses=READING, dependencies=[Reading])
def get_alias(
    model: ModelName, alias: AliasName, registry: RegistryDep, response: Response
) -> AliasView:
    """Where an alias points. Its ETag is what a move has to name."""
    move = registry.alias(model, alias)
    if move is None:
        raise UnknownAliasError(model, alias, [each.alias for each in registry.aliases(model)])
    return _told(move, response)


@router.put("/{alias}", responses=_MOVING)
def move_alias(
    model: ModelName,
    alias: AliasName,
    move: Move,
    *,
    changes: OperatingByJson,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: IfNoneMatch = None,
) -> AliasView:
    """Point an alias at a release, if nobody moved it since the caller looked.

    What the caller saw is said in `If-Match` (answered 412 if it is no longer so) or in
    `expected_generation` (answered 409). `If-None-Match: *` makes a new alias.
    """
    seen = seen_generation(if_match, if_none_match, move.expected_generation)
    moved = _moved(changes, (model, alias), move.release, move, seen)
    return _told(moved, response)


@router.post("/{alias}/rollback", responses=_MOVING)
def roll_back_alias(
    model: ModelName,
    alias: AliasName,
    rollback: Rollback,
    *,
    changes: OperatingByJson,
    response: Response,
    if_match: IfMatch = None,
) -> AliasView:
    """Point an alias at the release that it was on before; what it was moved back from is left out.

    What the caller saw is said as for a move.
    """
    seen = seen_generation(if_match, None, rollback.expected_generation)
    history = changes.registry.history(model, alias)
    target = release_before(history[:seen])
    if target is None and seen != len(history):
        current = history[-1] if history else None
        raise _stale(StaleAliasError(model, alias, seen, current), by_body=if_match is None)
    if target is None:
        if not history:
            raise UnknownAliasError(
                model, alias, [m.alias for m in changes.registry.aliases(model)]
            )
        raise NothingBeforeError(history[-1])
    moved = _moved(changes, (model, alias), target, rollback, seen)
    return _told(moved, response)


@router.get("/{alias}/history", responses=READING, dependencies=[Reading])
def list_alias_moves(
    model: ModelName, alias: AliasName, registry: RegistryDep, paging: PagingDep
) -> Page[AliasView]:
    """Every move of an alias, the newest first."""
    after = paging.after("alias_moves", int)
    rows = registry.listings.of_model("alias_moves", model, after, paging.wanted, alias=alias)
    return paging.page("alias_moves", rows, AliasView)


@router.get("/{alias}/refusals", responses=READING, dependencies=[Reading])
def list_refusals(
    model: ModelName, alias: AliasName, registry: RegistryDep, paging: PagingDep
) -> Page[RefusalView]:
    """Incidents that were not to move an alias, the newest first. The alias need not exist."""
    after = paging.after("refusals", int, str)
    rows = registry.listings.of_model("refusals", model, after, paging.wanted, alias=alias)
    return paging.page("refusals", rows, RefusalView)


def _moved(
    changes: Changes, where: tuple[str, str], release: int, asked: Move | Rollback, seen: int
) -> AliasMove:
    try:
        return changes.registry.move_alias(
            *where,
            release,
            expected_generation=seen,
            actor=changes.caller.name,
            reason=asked.reason,
            incident=asked.incident,
            share=asked.share if isinstance(asked, Move) else None,
        )
    except StaleAliasError as error:
        raise _stale(error, by_body=asked.expected_generation is not None) from error


def _stale(error: StaleAliasError, *, by_body: bool) -> ApiError:
    kind = problems.STALE_ALIAS if by_body else problems.PRECONDITION_FAILED
    current = error.current.generation if error.current else 0
    return ApiError(kind, str(error), current_generation=current)


def _told(move: AliasMove, response: Response) -> AliasView:
    response.headers["ETag"] = generation_tag(move.generation)
    return AliasView.model_validate(move)
