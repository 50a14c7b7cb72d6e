"""Models."""

from __future__ import annotations

from fastapi import APIRouter

from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import ModelName
from kedge.web.problems import READING
from kedge.web.views import AliasView, ModelDetail, ModelView

router = APIRouter(
    prefix=f"{API}/models", tags=["models"], route_class=ConditionalRoute, dependencies=[Reading]
)


@router.get("", responses=READING)
def list_models(registry: RegistryDep, paging: PagingDep) -> Page[ModelView]:
    """Every model, by name."""
    rows = registry.listings.models(paging.after("models", str), paging.wanted)
    return paging.page("models", rows, ModelView)


@router.get("/{model}", responses=READING)
def get_model(model: ModelName, registry: RegistryDep) -> ModelDetail:
    """A model and where its aliases point."""
    aliases = [AliasView.model_validate(move) for move in registry.aliases(model)]
    return ModelDetail(name=model, aliases=aliases)
