"""Who asks; and for administrators the audit and the tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Security

from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import Administering, Caller, caller
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import TokenName
from kedge.web.problems import CHANGING, READING
from kedge.web.views import AuditView, CallerView, TokenView

router = APIRouter(prefix=API, tags=["administration"], route_class=ConditionalRoute)

_ADMIN = Security(caller, scopes=["admin"])


@router.get("/caller", responses=READING)
def get_caller(asking: Annotated[Caller, Security(caller, scopes=["read"])]) -> CallerView:
    """Who asks, and what they may do."""
    return CallerView.model_validate(asking)


@router.get("/audit", responses=READING, dependencies=[_ADMIN])
def list_audit(registry: RegistryDep, paging: PagingDep) -> Page[AuditView]:
    """Every change that was made or refused, the newest first."""
    rows = registry.listings.audit(paging.after("audit", int), paging.wanted)
    return paging.page("audit", rows, AuditView)


@router.get("/tokens", responses=READING, dependencies=[_ADMIN])
def list_tokens(registry: RegistryDep, paging: PagingDep) -> Page[TokenView]:
    """What is known of every token, the newest first; `kedge token create` makes one."""
    rows = registry.listings.tokens(paging.after("tokens", int, str), paging.wanted)
    return paging.page("tokens", rows, TokenView)


@router.delete("/tokens/{name}", responses=CHANGING)
def revoke_token(name: TokenName, changes: Administering) -> TokenView:
    """Make a token no good from now on."""
    return TokenView.model_validate(changes.registry.tokens.revoke(name))
