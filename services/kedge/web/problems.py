"""What goes wrong, said as RFC 9457 (Problem Details for HTTP APIs) has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

MEDIA_TYPE = "application/problem+json"
_LONGEST = 2000


class FieldError(BaseModel):
    """What is wrong with one field."""

    where: list[str | int] = Field(description="`path`, `query`, `header` or `body`, and in it.")
    message: str


class Problem(BaseModel):
    """Why a request was not answered as asked. Some kinds of problem have more fields."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Which kind: `urn:kedge:problem:…`. For programs.")
    title: str = Field(description="The kind in words, the same for all of it.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong this time, and what would be right.")
    request_id: str | None = Field(description="As in `X-Request-ID`, and in the server's log.")
    errors: list[FieldError] | None = Field(None, description="Each field that is wrong.")
    current_generation: int | None = Field(
        None, description="Where an alias is that somebody else has moved; 0 if it is not there."
    )
    state: str | None = Field(None, description="How a proposal ended that was answered now.")
    refused: str | None = Field(None, description="What of a query is refused, as in `COPY`.")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem."""

    name: str
    status: int
    title: str


MALFORMED = Kind("malformed", 400, "The request can't be read")
UNAUTHENTICATED = Kind("unauthenticated", 401, "A token is needed")
FORBIDDEN = Kind("forbidden", 403, "The token may not do this")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
METHOD_NOT_ALLOWED = Kind("method-not-allowed", 405, "This can't be done with it")
TIMEOUT = Kind("timeout", 408, "The body did not come in time")
CONFLICT = Kind("conflict", 409, "It does not go with what there is")
SETTLED_PROPOSAL = Kind("settled-proposal", 409, "The proposal has ended already")
STALE_ALIAS = Kind("stale-alias", 409, "Somebody else moved the alias first")
PRECONDITION_FAILED = Kind("precondition-failed", 412, "Somebody else moved the alias first")
TOO_LARGE = Kind("too-large", 413, "The body is too large")
MEDIA_TYPE_NOT_TAKEN = Kind("unsupported-media-type", 415, "The body is of a type not taken here")
MISDIRECTED = Kind("misdirected", 421, "This server does not go by that name")
INVALID = Kind("invalid", 422, "Something in the request can't be right")
REFUSED_QUERY = Kind("refused-query", 422, "The query would do more than read the archive")
FAILED_QUERY = Kind("failed-query", 422, "The archive can't answer the query")
QUERY_LIMIT = Kind("query-limit", 422, "The query needs more time or memory than it may have")
UNSAFE_ARTIFACT = Kind("unsafe-artifact", 422, "Loading the artifact may run code")
PRECONDITION_REQUIRED = Kind("precondition-required", 428, "Say which generation you saw")
RATE_LIMITED = Kind("rate-limited", 429, "Too many requests")
INTERNAL = Kind("internal", 500, "A fault of this server")
UNAVAILABLE = Kind("unavailable", 503, "What is needed for this is away")

_KINDS = [each for each in globals().values() if isinstance(each, Kind)]
OF_STATUS = {kind.status: kind for kind in reversed(_KINDS)}
"""The general kind of each status."""


class ApiError(HTTPException):
    """A request that is answered with a problem.

    Args:
        kind: which kind.
        detail: what was wrong this time.
        headers: of the answer.
        fields: of the problem, besides those that all have.
    """

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__(kind.status, detail, dict(headers or {}))
        self.kind, self.fields = kind, fields


def answer(error: ApiError, request_id: str | None) -> Response:
    """The response that tells a problem."""
    problem = Problem(
        type=f"urn:kedge:problem:{error.kind.name}",
        title=error.kind.title,
        status=error.kind.status,
        detail=error.detail[:_LONGEST],
        request_id=request_id,
        **error.fields,
    )
    # ASCII: half of a surrogate pair, quoted from a request, is nothing that UTF-8 has.
    body = json.dumps(problem.model_dump(exclude_none=True))
    return Response(body, error.kind.status, error.headers, MEDIA_TYPE)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems of these statuses, for the OpenAPI description of a route."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {
            "description": OF_STATUS[status].title,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


_ALWAYS = (400, 401, 403, 404, 421, 422, 429, 503)

READING = {304: {"description": "As you have it"}, **documented(*_ALWAYS)}
"""What a reading route may answer when not as asked."""

CHANGING = documented(*_ALWAYS, 408, 409, 413, 415)
"""What a changing route may answer when not as asked."""
