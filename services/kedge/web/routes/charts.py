"""What charts of a model are drawn from, in one call each."""

from __future__ import annotations

from typing import Annotated, Any

import duckdb
from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from kedge.contracts import Role
from kedge.profile import KINDS
from kedge.web import API, problems
from kedge.web.backend import ArchiveDep, RegistryDep
from kedge.web.callers import Reading
from kedge.web.chart_views import (
    AverageView,
    BinView,
    DistributionView,
    MatrixView,
    MissingView,
    SeriesOfRelease,
)
from kedge.web.charted import AVERAGES, as_matrix, as_series, chosen
from kedge.web.conditional import ConditionalRoute
from kedge.web.distributions import column_of, counted, labels, values_of
from kedge.web.parameters import End, Filter, ModelName, ReleasePath, Start
from kedge.web.problems import READING, ApiError

router = APIRouter(
    prefix=f"{API}/models/{{model}}",
    tags=["charts"],
    route_class=ConditionalRoute,
    dependencies=[Reading],
)

StatisticName = Annotated[
    str, Query(max_length=500, pattern=r"^[^\x00]*$", description="Its name, for example `psi`.")
]
Kind = Annotated[Filter, Query(description="None: all kinds together.")]


@router.get("/points", responses=READING)
def get_points(
    model: ModelName,
    statistic: StatisticName,
    archive: ArchiveDep,
    *,
    column: Annotated[Filter, Query(description="None: of the whole window.")] = None,
    role: Filter = None,
    kind: Kind = None,
    segment: Annotated[Filter, Query(description="None: all rows of the window.")] = None,
    environment: Filter = None,
    start: Start = None,
    end: End = None,
) -> list[SeriesOfRelease]:
    """One statistic in base windows, the last 2,000 of them, of every release."""
    filters: dict[str, str | int | None] = {
        "model": model,
        "statistic": statistic,
        "column_name": column,
        "role": role,
        "kind": kind,
        "segment": segment,
        "environment": environment,
    }
    rows = archive.rows(*chosen(filters, start, end, columns=False))
    return [SeriesOfRelease.model_validate(each) for each in as_series(rows)]


@router.get("/matrix", responses=READING)
def get_matrix(
    model: ModelName,
    statistic: StatisticName,
    archive: ArchiveDep,
    *,
    kind: Kind = None,
    environment: Filter = None,
    release: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="None: the busiest of each window.")
    ] = None,
    start: Start = None,
    end: End = None,
) -> MatrixView:
    """A statistic of every feature and output in base windows, the last 2,000 of them."""
    filters: dict[str, str | int | None] = {
        "model": model,
        "statistic": statistic,
        "kind": kind,
        "environment": environment,
        "release": release,
    }
    rows = archive.rows(*chosen(filters, start, end, columns=True))
    return MatrixView.model_validate(as_matrix(rows))


@router.get("/releases/{number}/averages", responses=READING)
def get_averages(
    model: ModelName, number: ReleasePath, archive: ArchiveDep, registry: RegistryDep
) -> list[AverageView]:
    """What a release was like over all its windows: each statistic of these, by name."""
    registry.release(model, number)
    rows = archive.rows(AVERAGES, {"model": model, "release": number})
    return [AverageView.model_validate(row) for row in rows]


@router.get("/releases/{number}/distribution", responses=READING)
def get_distribution(
    model: ModelName,
    number: ReleasePath,
    archive: ArchiveDep,
    registry: RegistryDep,
    *,
    role: Role,
    column: Annotated[str, Query(max_length=500, pattern=r"^[^\x00]*$")],
    start: AwareDatetime,
    end: AwareDatetime,
    environment: Filter = None,
) -> DistributionView:
    """A feature or output as a release saw or gave it, beside the reference of its model version.

    Counted anew from the logged predictions, each once.
    """
    release = registry.release(model, number)
    reference = registry.model_version(model, release.model_version).reference
    known = column_of(reference.columns, role, column)
    if known is None:
        raise ApiError(
            problems.NOT_FOUND, f"release {number} of `{model}` has no {role} `{column}`"
        )
    found: list[dict[str, Any]] = []
    if known.spec.type != "vector":
        filters: dict[str, str | int | None] = {
            "model": model,
            "release": number,
            "environment": environment,
        }
        try:
            found = archive.rows(*values_of(known, filters, start, end))
        except duckdb.BinderException:
            found = []  # nothing with such a column has been archived yet
    counts, missing = counted(found, known)
    bins = [
        BinView(**label, reference=before, window=now)
        for label, before, now in zip(
            labels(known), known.counts.tolist(), counts.tolist(), strict=False
        )
    ]
    return DistributionView(
        role=role,
        column_name=column,
        type=known.spec.type,
        release=number,
        reference_rows=reference.rows,
        window_rows=int(counts.sum() + missing.sum()),
        bins=[] if known.spec.type == "vector" else bins,
        missing=[
            MissingView(kind=kind, reference=before, window=now)
            for kind, before, now in zip(
                KINDS, known.missing.tolist(), missing.tolist(), strict=True
            )
        ],
    )
