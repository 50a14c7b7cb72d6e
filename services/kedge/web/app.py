"""The application: routes, the layers around them, and its OpenAPI description."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kedge.approvals.router import approvals_router
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.web import API, failures
from kedge.web.backend import Backend
from kedge.web.guards import BodyLimits, KnownHosts, SecurityHeaders
from kedge.web.problems import Problem
from kedge.web.requests import RequestLog
from kedge.web.routes import (
    administration,
    alerts,
    aliases,
    charts,
    conservation,
    dashboard,
    deletions,
    events,
    models,
    overview,
    policies,
    proposals,
    releases,
    service,
    silences,
    sql,
    statistics,
    versions,
)

_SUBJECTS = (
    models,
    overview,
    versions,
    releases,
    aliases,
    charts,
    deletions,
    statistics,
    sql,
    alerts,
    events,
    proposals,
    silences,
    policies,
    conservation,
    administration,
    service,
    dashboard,
)
_DESCRIPTION = """Models, releases and aliases, and what is known of how they do.

Every answer that is not as asked is a problem (RFC 9457). Lists come in pages: give `next` as
`cursor`. Answers to GET have an ETag."""


def create_app(settings: Settings, registry: Registry) -> FastAPI:
    """The application on a registry that the caller closes."""
    app = FastAPI(
        title="Kedge",
        version="1",
        description=_DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    backend = Backend.of(settings, registry)
    app.state.backend = backend
    for subject in _SUBJECTS:
        app.include_router(subject.router)
    if (key := settings.approvals.key) is not None:
        app.include_router(approvals_router(registry, key, limits=backend.limits))
    failures.add_to(app)
    # The last one is the outermost.
    app.add_middleware(BodyLimits, web=settings.web)
    app.add_middleware(KnownHosts, web=settings.web)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog, metrics=backend.metrics)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Have the description say what a problem is: no route returns one, so FastAPI does not."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            described = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas = described["components"]["schemas"]
            schemas.update(schema.pop("$defs"))
            schemas["Problem"] = schema
            app.openapi_schema = described
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
