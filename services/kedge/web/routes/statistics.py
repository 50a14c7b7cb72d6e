"""Windows and statistics, from the archive."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from kedge.web import API
from kedge.web.archived import SeriesView, StatisticView, WindowView
from kedge.web.backend import ArchiveDep
from kedge.web.callers import Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.listed import SERIES, STATISTICS, WINDOWS
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import End, Filter, ModelName, Start
from kedge.web.problems import READING

router = APIRouter(
    prefix=f"{API}/models/{{model}}",
    tags=["statistics"],
    route_class=ConditionalRoute,
    dependencies=[Reading],
)

Filters = dict[str, str | int | None]


def _of_windows(
    model: ModelName,
    release: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    environment: Filter = None,
    part: Filter = None,
    clock: Filter = None,
) -> Filters:
    return {
        "model": model,
        "release": release,
        "environment": environment,
        "part": part,
        "clock": clock,
    }


WindowFilters = Annotated[Filters, Depends(_of_windows)]


def _of_statistics(
    windows: WindowFilters,
    *,
    statistic: Annotated[Filter, Query(description="Its name, for example `psi`.")] = None,
    role: Filter = None,
    column: Annotated[Filter, Query(description="The feature or output.")] = None,
    kind: Filter = None,
    segment: Filter = None,
) -> Filters:
    return {
        **windows,
        "statistic": statistic,
        "role": role,
        "column_name": column,
        "kind": kind,
        "segment": segment,
    }


StatisticFilters = Annotated[Filters, Depends(_of_statistics)]


@router.get("/windows", responses=READING)
def list_windows(
    filters: WindowFilters,
    archive: ArchiveDep,
    paging: PagingDep,
    start: Start = None,
    end: End = None,
) -> Page[WindowView]:
    """Windows, the newest first. The time range is of their starts."""
    after = paging.after(WINDOWS.name, *WINDOWS.types)
    rows = archive.rows(*WINDOWS.page(filters, start, end, after, paging.wanted))
    return paging.page(WINDOWS.name, WINDOWS.keyed(rows), WindowView)


@router.get("/statistics", responses=READING)
def list_statistics(
    filters: StatisticFilters,
    archive: ArchiveDep,
    paging: PagingDep,
    start: Start = None,
    end: End = None,
) -> Page[StatisticView]:
    """Statistics of windows, the newest windows first. The time range is of their starts."""
    after = paging.after(STATISTICS.name, *STATISTICS.types)
    rows = archive.rows(*STATISTICS.page(filters, start, end, after, paging.wanted))
    return paging.page(STATISTICS.name, STATISTICS.keyed(rows), StatisticView)


@router.get("/series", responses=READING)
def list_series(
    filters: StatisticFilters,
    archive: ArchiveDep,
    paging: PagingDep,
    start: Start = None,
    end: End = None,
) -> Page[SeriesView]:
    """Which statistics there are, of which features and outputs, and for how many windows."""
    after = paging.after(SERIES.name, *SERIES.types)
    rows = archive.rows(*SERIES.page(filters, start, end, after, paging.wanted))
    return paging.page(SERIES.name, SERIES.keyed(rows), SeriesView)
