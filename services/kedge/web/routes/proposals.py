"""Proposals: rollbacks that a person is asked about, and the answers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from kedge.registry import ProposalState
from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import OperatingByJson, Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import Filter, Number, Why
from kedge.web.problems import CHANGING, READING
from kedge.web.views import ProposalView

router = APIRouter(prefix=f"{API}/proposals", tags=["proposals"], route_class=ConditionalRoute)


class Answer(BaseModel):
    """Why a proposal is answered so."""

    model_config = ConfigDict(extra="forbid")

    reason: Why


@router.get("", responses=READING, dependencies=[Reading])
def list_proposals(
    registry: RegistryDep,
    paging: PagingDep,
    model: Filter = None,
    alias: Filter = None,
    state: ProposalState | None = None,
) -> Page[ProposalView]:
    """Rollbacks that a person is, or was, asked about, the newest first."""
    rows = registry.listings.proposals(
        paging.after("proposals", int), paging.wanted, model=model, alias=alias, state=state
    )
    return paging.page("proposals", rows, ProposalView)


@router.get("/{number}", responses=READING, dependencies=[Reading])
def get_proposal(number: Number, registry: RegistryDep) -> ProposalView:
    """A proposal as it is now."""
    return ProposalView.model_validate(registry.proposals.get(number))


@router.post("/{number}/approve", responses=CHANGING)
def approve_proposal(number: Number, answer: Answer, changes: OperatingByJson) -> ProposalView:
    """Move the alias as was proposed, if nobody answered or moved it since (else 409)."""
    proposals = changes.registry.proposals
    proposals.approve(number, actor=changes.caller.name, reason=answer.reason)
    return ProposalView.model_validate(proposals.get(number))


@router.post("/{number}/reject", responses=CHANGING)
def reject_proposal(number: Number, answer: Answer, changes: OperatingByJson) -> ProposalView:
    """Leave the alias where it is; the incident moves nothing any more."""
    rejected = changes.registry.proposals.reject(
        number, actor=changes.caller.name, reason=answer.reason
    )
    return ProposalView.model_validate(rejected)
