"""Alerts and incidents, from the archive."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from kedge.web import API
from kedge.web.archived import AlertView, IncidentView
from kedge.web.backend import ArchiveDep
from kedge.web.callers import Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.listed import ALERTS, INCIDENTS
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import End, Filter, Start
from kedge.web.problems import READING

router = APIRouter(
    prefix=API, tags=["alerts"], route_class=ConditionalRoute, dependencies=[Reading]
)


def _filters(
    model: Filter = None,
    alias: Filter = None,
    incident: Filter = None,
    environment: Filter = None,
) -> dict[str, str | int | None]:
    return {"model": model, "alias": alias, "incident": incident, "environment": environment}


Filters = Annotated[dict[str, str | int | None], Depends(_filters)]


@router.get("/alerts", responses=READING)
def list_alerts(
    filters: Filters,
    archive: ArchiveDep,
    paging: PagingDep,
    *,
    status: Filter = None,
    severity: Filter = None,
    start: Start = None,
    end: End = None,
) -> Page[AlertView]:
    """Changes of alerts, the newest first. The time range is of when they were published."""
    after = paging.after(ALERTS.name, *ALERTS.types)
    wanted = {**filters, "status": status, "severity": severity}
    rows = archive.rows(*ALERTS.page(wanted, start, end, after, paging.wanted))
    return paging.page(ALERTS.name, ALERTS.keyed(rows), AlertView)


@router.get("/incidents", responses=READING)
def list_incidents(filters: Filters, archive: ArchiveDep, paging: PagingDep) -> Page[IncidentView]:
    """Stretches of firing, those that began last first."""
    after = paging.after(INCIDENTS.name, *INCIDENTS.types)
    rows = archive.rows(*INCIDENTS.page(filters, None, None, after, paging.wanted))
    return paging.page(INCIDENTS.name, INCIDENTS.keyed(rows), IncidentView)
