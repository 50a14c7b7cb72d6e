"""About this service itself. Nothing of a user's is in it, so no token is asked for."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from kedge.web.backend import BackendDep
from kedge.web.health import State
from kedge.web.problems import documented

router = APIRouter(tags=["service"])


class Alive(BaseModel):
    """The service runs."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """Whether what the service needs was reached, not longer than two seconds ago."""

    status: Literal["ready", "not ready"]
    registry: State
    archive: State
    kafka: State


_NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {"model": Readiness, "description": "Something can't be reached"}
}


@router.get("/healthz", responses=documented(421))
def healthz() -> Alive:
    """Whether the service can answer at all. Restart it if not."""
    return Alive()


@router.get("/readyz", responses={**documented(421), **_NOT_READY})
def readyz(backend: BackendDep, response: Response) -> Readiness:
    """Whether the service can answer about what it stands on. Send it no requests if not."""
    found = backend.health.look()
    ready = all(state == "reached" for state in found.values())
    response.status_code = 200 if ready else 503
    return Readiness(status="ready" if ready else "not ready", **found)


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        **documented(421),
        200: {"description": "Prometheus's text format", "content": {"text/plain": {}}},
    },
)
def metrics(backend: BackendDep) -> Response:
    """Requests and their durations by route, for Prometheus."""
    return Response(
        backend.metrics.exposition(), media_type="text/plain; version=1.0.0; charset=utf-8"
    )
