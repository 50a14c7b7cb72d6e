"""Deletions: of what no alias and no history needs. Who deleted what, and why, is kept."""

from __future__ import annotations

from fastapi import APIRouter

from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import Operating, Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import ModelName, ReleasePath, VersionPath, WhyDeleted
from kedge.web.problems import CHANGING, READING
from kedge.web.views import DeletionView

router = APIRouter(
    prefix=f"{API}/models/{{model}}", tags=["deletions"], route_class=ConditionalRoute
)


@router.get("/deletions", responses=READING, dependencies=[Reading])
def list_deletions(
    model: ModelName, registry: RegistryDep, paging: PagingDep
) -> Page[DeletionView]:
    """What was deleted of a model, the newest first."""
    after = paging.after("deletions", int)
    rows = registry.listings.of_model("deletions", model, after, paging.wanted)
    return paging.page("deletions", rows, DeletionView)


@router.delete("/releases/{number}", responses=CHANGING)
def delete_release(
    model: ModelName, number: ReleasePath, reason: WhyDeleted, changes: Operating
) -> DeletionView:
    """Delete a release that no alias has ever pointed at (else 409). Its number stays taken."""
    gone = changes.registry.delete_release(model, number, actor=changes.caller.name, reason=reason)
    return DeletionView.model_validate(gone)


@router.delete("/versions/{version}", responses=CHANGING)
def delete_model_version(
    model: ModelName, version: VersionPath, reason: WhyDeleted, changes: Operating
) -> DeletionView:
    """Delete a model version that no release pairs (else 409)."""
    gone = changes.registry.delete_model_version(
        model, version, actor=changes.caller.name, reason=reason
    )
    return DeletionView.model_validate(gone)


@router.delete("/code/{version}", responses=CHANGING)
def delete_code_version(
    model: ModelName, version: VersionPath, reason: WhyDeleted, changes: Operating
) -> DeletionView:
    """Delete a version of the inference code that no release pairs (else 409)."""
    gone = changes.registry.delete_code_version(
        model, version, actor=changes.caller.name, reason=reason
    )
    return DeletionView.model_validate(gone)
