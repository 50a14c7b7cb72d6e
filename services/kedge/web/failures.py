"""From what is raised to the problem that is told, and to the audit where a change was refused."""

from __future__ import annotations

import re

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from kedge.errors import KedgeError
from kedge.registry import (
    Act,
    AmbiguousVersionError,
    BadNameError,
    CodeConflictError,
    DatabaseUnavailableError,
    IncidentConflictError,
    NothingBeforeError,
    ProposedIncidentError,
    RefusedIncidentError,
    SettledProposalError,
    StillNeededError,
    TakenNameError,
    UnknownAliasError,
    UnknownModelError,
    UnknownProposalError,
    UnknownReleaseError,
    UnknownSilenceError,
    UnknownTokenError,
    UnknownVersionError,
    UnsafeArtifactError,
)
from kedge.web import problems
from kedge.web.backend import backend_of
from kedge.web.problems import ApiError, FieldError, Kind, answer
from kedge.web.requests import request_id_of

_OF_ERROR: dict[type[KedgeError], Kind] = {
    UnknownAliasError: problems.NOT_FOUND,
    UnknownModelError: problems.NOT_FOUND,
    UnknownProposalError: problems.NOT_FOUND,
    UnknownReleaseError: problems.NOT_FOUND,
    UnknownSilenceError: problems.NOT_FOUND,
    UnknownTokenError: problems.NOT_FOUND,
    UnknownVersionError: problems.NOT_FOUND,
    AmbiguousVersionError: problems.CONFLICT,
    CodeConflictError: problems.CONFLICT,
    IncidentConflictError: problems.CONFLICT,
    NothingBeforeError: problems.CONFLICT,
    ProposedIncidentError: problems.CONFLICT,
    RefusedIncidentError: problems.CONFLICT,
    StillNeededError: problems.CONFLICT,
    TakenNameError: problems.CONFLICT,
    BadNameError: problems.INVALID,
    UnsafeArtifactError: problems.UNSAFE_ARTIFACT,
}
_RETRY = {"Retry-After": "5"}
_log = structlog.get_logger(__name__)


def add_to(app: FastAPI) -> None:
    """Let every failure of a route be told as a problem."""

    # Plain functions: they run on worker threads, and may write to the audit.
    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> Response:
        return _told(request, _of_http(request, error))

    @app.exception_handler(RequestValidationError)
    def of_validation(request: Request, error: RequestValidationError) -> Response:
        return _told(request, _of_validation(error))

    @app.exception_handler(KedgeError)
    def of_kedge(request: Request, error: KedgeError) -> Response:
        return _told(request, _of_kedge(error))


def _told(request: Request, error: ApiError) -> Response:
    act: Act | None = getattr(request.state, "act", None)
    # What goes by the thousand is not to fill the audit.
    if act is not None and error.status_code not in (429, 503):
        try:
            backend_of(request).registry.audit.refused(act, error.detail[:1000])
        except DatabaseUnavailableError:
            _log.warning("not_audited", action=act.action, target=act.target)
    return answer(error, request_id_of(request.scope))


def _of_http(request: Request, error: HTTPException) -> ApiError:
    if isinstance(error, ApiError):
        return error
    kind = problems.OF_STATUS.get(error.status_code, problems.MALFORMED)
    path = request.url.path
    detail = {
        404: f"there is nothing at {path}; GET /api/v1/openapi.json tells what there is",
        405: f"{request.method} can't be done with {path}; the header Allow tells what can",
    }.get(error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if error.status_code == problems.METHOD_NOT_ALLOWED.status:
        headers["Allow"] = ", ".join(_allowed(request.app, path))
    return ApiError(kind, detail, headers=headers)


def _allowed(app: FastAPI, path: str) -> list[str]:
    """Every method of a path; the router knows of one route at a time."""
    found = set()
    for template, operations in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
            found |= {method.upper() for method in operations}
    return sorted(found)


def _of_validation(error: RequestValidationError) -> ApiError:
    # What was sent is left out: it may be long, or a secret.
    wrong = [FieldError(where=list(e["loc"]), message=e["msg"]) for e in error.errors()]
    if any(e["type"] == "json_invalid" for e in error.errors()):
        return ApiError(problems.MALFORMED, "the body is no JSON", errors=wrong)
    said = "; ".join(f"{'.'.join(map(str, each.where))}: {each.message}" for each in wrong)
    return ApiError(problems.INVALID, said, errors=wrong)


def _of_kedge(error: KedgeError) -> ApiError:
    if isinstance(error, DatabaseUnavailableError):
        _log.error("registry_unavailable", error=str(error))
        return ApiError(problems.UNAVAILABLE, "the registry is away", headers=_RETRY)
    if isinstance(error, SettledProposalError):
        return ApiError(problems.SETTLED_PROPOSAL, str(error), state=error.proposal.state)
    return ApiError(_OF_ERROR.get(type(error), problems.INVALID), str(error))
