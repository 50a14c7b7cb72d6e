"""Is anything lost? What `kedge doctor` says."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from kedge.doctor import Finding, Line
from kedge.web import API
from kedge.web.backend import BackendDep
from kedge.web.callers import Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.parameters import Filter
from kedge.web.problems import READING
from kedge.web.views import View

router = APIRouter(
    prefix=API, tags=["conservation"], route_class=ConditionalRoute, dependencies=[Reading]
)


class ReportView(View):
    """Whether all sums agree."""

    status: Literal["whole", "gap", "behind"]
    lines: list[Line]
    findings: list[Finding]


@router.get("/conservation", responses=READING)
def get_conservation(backend: BackendDep, model: Filter = None) -> ReportView:
    """What became of every prediction that was sent, not older than half a minute."""
    report = backend.conservation.report()
    return ReportView.model_validate(report if model is None else report.of_model(model))
