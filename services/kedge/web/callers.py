"""Who asks, and whether they may: bearer tokens, scopes, rate limits, and the act for the audit."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from kedge.logs import mask_secrets
from kedge.registry import SCOPES, Act, Registry, Scope, Token
from kedge.web import problems
from kedge.web.backend import Backend, BackendDep
from kedge.web.problems import ApiError
from kedge.web.requests import address_of, request_id_of
from kedge.web.settings import is_loopback

ANONYMOUS = "anonymous"
_READING = frozenset({"GET", "HEAD"})

_bearer = HTTPBearer(
    scheme_name="token",
    description="From `kedge token create`. Scopes: read; operate, which changes things and "
    "includes read; admin, which includes both.",
    auto_error=False,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks.

    Attributes:
        name: of the token.
        scope: what it may do.
    """

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Changes:
    """A caller who may change something, and the registry that keeps an account of it."""

    caller: Caller
    registry: Registry


def caller(
    request: Request,
    wanted: SecurityScopes,
    backend: BackendDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Caller:
    """The caller, if they may do what a route needs."""
    (needed,) = (scope for scope in SCOPES if scope in wanted.scopes)
    token = None if credentials is None else backend.registry.tokens.live(credentials.credentials)
    if token is None:
        return _without(request, backend, needed, tried=credentials is not None)
    caller = Caller(token.name, token.scope)
    request.state.caller = caller.name
    _within_limits(backend, f"token {caller.name}")
    # A query by POST reads too: what is wrong with one is not for the audit.
    if request.method not in _READING and needed != "read":
        request.state.act = _act(request, caller)
    if not token.may(needed):
        raise _forbidden(token, needed)
    return caller


def _without(request: Request, backend: Backend, needed: Scope, *, tried: bool) -> Caller:
    """Somebody without a token that is good: a reader, where the settings have it so."""
    address = address_of(request)
    # Only such requests count for an address: nobody locks out those who have a token there.
    _within_limits(backend, f"address {address}")
    web = backend.settings.web
    if needed == "read" and not tried and web.anonymous_reads and is_loopback(address):
        request.state.caller = ANONYMOUS
        return Caller(ANONYMOUS, "read")
    what = "the token is unknown, expired or revoked" if tried else "a token is needed"
    raise ApiError(
        problems.UNAUTHENTICATED,
        f"{what}: `kedge token create` makes one, for the header `Authorization: Bearer …`",
        headers={"WWW-Authenticate": 'Bearer error="invalid_token"' if tried else "Bearer"},
    )


def _within_limits(backend: Backend, who: str) -> None:
    seconds = backend.limits.wait(who, time.monotonic())
    if seconds:
        raise ApiError(
            problems.RATE_LIMITED,
            f"at most {backend.settings.web.burst} requests at once and "
            f"{backend.settings.web.rate:g} a second are answered; try again in {seconds:.1f} s",
            headers={"Retry-After": str(math.ceil(seconds))},
        )


def _forbidden(token: Token, needed: Scope) -> ApiError:
    return ApiError(
        problems.FORBIDDEN,
        f"token `{token.name}` has the scope {token.scope}, and this needs {needed}",
        headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'},
    )


def _act(request: Request, caller: Caller) -> Act:
    # Somebody may have put a secret into a path by mistake.
    path: str = mask_secrets(None, "", {"path": request.url.path})["path"]
    action = request.scope["endpoint"].__name__
    return Act(caller.name, action, path, request_id_of(request.scope))


Reading = Security(caller, scopes=["read"])
"""A route's dependency: the caller may read."""
Operator = Annotated[Caller, Security(caller, scopes=["operate"])]
Admin = Annotated[Caller, Security(caller, scopes=["admin"])]


def _operating(request: Request, caller: Operator, backend: BackendDep) -> Changes:
    return Changes(caller, backend.registry.audited(request.state.act))


def _administering(request: Request, caller: Admin, backend: BackendDep) -> Changes:
    return Changes(caller, backend.registry.audited(request.state.act))


Operating = Annotated[Changes, Depends(_operating)]
"""A changing route's argument."""


ContentType = Annotated[str, Header(include_in_schema=False)]


def _by_json(changes: Operating, content_type: ContentType = "") -> Changes:
    _check_json(content_type)
    return changes


def _reading_by_json(
    _: Annotated[Caller, Security(caller, scopes=["read"])], content_type: ContentType = ""
) -> None:
    _check_json(content_type)


def _check_json(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ApiError(problems.MEDIA_TYPE_NOT_TAKEN, "the body has to be application/json")


ReadingByJson = Depends(_reading_by_json)
"""A route's dependency: the caller may read, and asks by JSON."""
OperatingByJson = Annotated[Changes, Depends(_by_json)]
"""The same of a route that takes JSON; what comes is looked at once it is known who asks."""
Administering = Annotated[Changes, Depends(_administering)]
"""The same for what only administrators may change."""
