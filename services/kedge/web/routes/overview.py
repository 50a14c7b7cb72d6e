"""All models at a glance, and what their statistics are."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import Annotated, Any

from fastapi import APIRouter, Query

from kedge.statistics import CATALOGUE
from kedge.web import API
from kedge.web.backend import ArchiveDep, RegistryDep
from kedge.web.callers import Reading
from kedge.web.chart_views import OverviewView, StatisticEntry
from kedge.web.charted import NEWEST, OPEN_INCIDENTS, recent
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.problems import READING
from kedge.web.views import AliasView

router = APIRouter(
    prefix=API, tags=["overview"], route_class=ConditionalRoute, dependencies=[Reading]
)


@router.get("/overview", responses=READING)
def list_overview(
    registry: RegistryDep,
    archive: ArchiveDep,
    paging: PagingDep,
    windows: Annotated[int, Query(ge=1, le=500, description="How many of each model.")] = 60,
) -> Page[OverviewView]:
    """Every model, by name: where its aliases point, what fires, and its last base windows."""
    rows = registry.listings.models(paging.after("overview", str), paging.wanted)
    names = [model.name for _, model in rows]
    newest = archive.rows(NEWEST, {"models": names})
    last = archive.rows(*recent(newest, windows)) if newest else []
    last_of, open_of = _by_model(last), _by_model(archive.rows(OPEN_INCIDENTS, {"models": names}))
    told = [
        (
            key,
            {
                "name": model.name,
                "aliases": [
                    AliasView.model_validate(each) for each in registry.aliases(model.name)
                ],
                "open_incidents": open_of.get(model.name, []),
                "windows": last_of.get(model.name, []),
            },
        )
        for key, model in rows
    ]
    return paging.page("overview", told, OverviewView)


@router.get("/statistics", responses=READING)
def list_catalogue() -> list[StatisticEntry]:
    """What each statistic is: its meaning, its unit and the thresholds of the field."""
    return [StatisticEntry.model_validate(asdict(entry)) for entry in CATALOGUE.values()]


def _by_model(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    ordered = sorted(rows, key=itemgetter("model"))  # stable: each model's rows keep their order
    return {model: list(found) for model, found in groupby(ordered, key=itemgetter("model"))}
