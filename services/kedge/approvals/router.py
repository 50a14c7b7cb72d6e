"""Where a signed link leads: a page that asks once more, and the answer itself."""

from __future__ import annotations

import json
import math
import time
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from kedge.approvals.links import PATH, ExpiredLinkError, InvalidLinkError, Link, verified
from kedge.clock import Clock, microseconds_now
from kedge.errors import KedgeError
from kedge.registry import (
    Act,
    BadNameError,
    DatabaseUnavailableError,
    Proposal,
    Registry,
    SettledProposalError,
    UnknownProposalError,
)
from kedge.registry.errors import settled, utc
from kedge.web.limits import RateLimits

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; "
    "style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_LONGEST_BODY = 64 << 10
_RATE, _BURST = 1.0, 20


class TooManyLinksError(KedgeError):
    """An address that has tried too many links that are not valid.

    Attributes:
        seconds: until it may try another one.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many links that are not valid; try again in {seconds:.1f} s")
        self.seconds = seconds


_STATUS: dict[type[KedgeError], HTTPStatus] = {
    InvalidLinkError: HTTPStatus.FORBIDDEN,
    TooManyLinksError: HTTPStatus.TOO_MANY_REQUESTS,
    ExpiredLinkError: HTTPStatus.GONE,
    SettledProposalError: HTTPStatus.CONFLICT,
    UnknownProposalError: HTTPStatus.NOT_FOUND,
    BadNameError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def approvals_router(
    registry: Registry,
    secret: bytes,
    now: Clock = microseconds_now,
    limits: RateLimits | None = None,
) -> APIRouter:
    """Routes under `PATH`; whoever has a link needs no other right.

    GET shows what would be done and changes nothing, as mail scanners and chats follow links. POST
    does it, with a name and a reason. Both answer in HTML, or in JSON where that is asked for.

    Links that were not signed here are counted for each address, and beyond its limit nothing more
    is said of them. Those that were always lead on: nobody locks out who has one.

    Args:
        registry: where the proposals are.
        secret: that links are signed with.
        now: microseconds since 1970.
        limits: of links that are not valid, by address; 20 at once and one a second by default.
    """
    tried = RateLimits(_RATE, _BURST) if limits is None else limits

    def followed(request: Request, token: str) -> Link:
        try:
            return verified(secret, token, now())
        except InvalidLinkError as error:
            address = request.client.host if request.client else "unknown"
            if seconds := tried.wait(f"address {address}", time.monotonic()):
                raise TooManyLinksError(seconds) from error
            raise

    router = APIRouter(prefix=PATH, tags=["approvals"], dependencies=[Depends(_unlogged)])

    @router.head("/{token}", include_in_schema=False)
    @router.get("/{token}", response_class=Response)
    def ask(request: Request, token: str) -> Response:
        """What following this link to the end does."""
        try:
            link = followed(request, token)
            proposal = registry.proposals.get(link.proposal)
            if proposal.state != "pending":
                raise SettledProposalError(proposal)
        except KedgeError as error:
            return _refused(request, error)
        said = {"answer": link.answer, "proposal": _view(proposal)}
        return _answered(request, HTTPStatus.OK, said, _question(link, proposal))

    @router.post("/{token}", response_class=Response)
    async def answer(request: Request, token: str) -> Response:
        """Approve or reject, once. Fields `actor` and `reason`, as a form or as JSON."""
        try:
            link = followed(request, token)
            actor, reason = await _fields(request)
            done = await run_in_threadpool(_done, registry, link, actor, reason)
        except KedgeError as error:
            return _refused(request, error)
        proposal = await run_in_threadpool(registry.proposals.get, link.proposal)
        said = {"message": done, "proposal": _view(proposal)}
        return _answered(request, HTTPStatus.OK, said, f"<p>{escape(done)}</p>")

    return router


def _unlogged(request: Request) -> None:
    """Servers write the path to their logs from here, and this one is a secret."""
    request.scope["path"] = f"{PATH}/…"


def _done(registry: Registry, link: Link, actor: str, reason: str) -> str:
    # The name is what somebody with the link wrote, and history says so.
    who = f"{actor} (by link)"
    audited = registry.audited(Act(who, f"{link.answer}_proposal", f"proposal {link.proposal}"))
    if link.answer == "reject":
        return settled(audited.proposals.reject(link.proposal, actor=who, reason=reason))
    move = audited.proposals.approve(link.proposal, actor=who, reason=reason)
    return (
        f"{move.alias} of {move.model} was moved from release {move.from_release} to "
        f"{move.to_release}, generation {move.generation}"
    )


async def _fields(request: Request) -> tuple[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise BadNameError(f"a body of more than {_LONGEST_BODY} bytes is not read")
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            fields = json.loads(body)
        else:
            fields = {name: given[0] for name, given in parse_qs(body.decode()).items()}
    except ValueError as error:
        raise BadNameError(f"the body is neither a form nor JSON: {error}") from error
    if not isinstance(fields, dict):
        raise BadNameError("the body has to be a form or a JSON object with actor and reason")
    actor, reason = (fields.get(name, "") for name in ("actor", "reason"))
    if not (isinstance(actor, str) and isinstance(reason, str) and actor.strip()):
        raise BadNameError("actor and reason have to be texts: say who answers, and why")
    return actor.strip(), reason


def _view(proposal: Proposal) -> dict[str, Any]:
    names = ("id", "model", "alias", "from_release", "to_release", "reason", "expires_at", "state")
    return {name: getattr(proposal, name) for name in names}


def _question(link: Link, proposal: Proposal) -> str:
    verb = link.answer.capitalize()
    return (
        f"<p>{verb} proposal {proposal.id}: move <b>{escape(proposal.alias)}</b> of "
        f"<b>{escape(proposal.model)}</b> from release {proposal.from_release} back to release "
        f"{proposal.to_release}.</p><p>{escape(proposal.reason)}</p>"
        f"<p>It can be answered until {utc(proposal.expires_at)}.</p>"
        '<form method="post"><p><label>Your name <input name="actor" required></label></p>'
        '<p><label>Why <input name="reason" required></label></p>'
        f"<p><button>{verb}</button></p></form>"
    )


def _refused(request: Request, error: KedgeError) -> Response:
    status = next(
        (code for kind, code in _STATUS.items() if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    answer = _answered(request, status, {"message": str(error)}, f"<p>{escape(str(error))}</p>")
    if isinstance(error, TooManyLinksError):
        answer.headers["Retry-After"] = str(math.ceil(error.seconds))
    return answer


def _answered(request: Request, status: HTTPStatus, said: dict[str, Any], page: str) -> Response:
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse(said, status, _HEADERS)
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Kedge</title>'
        '<body style="font: 16px/1.5 system-ui; max-width: 40em; margin: 3em auto">'
        f"<h1>Kedge</h1>{page}</body></html>"
    )
    return HTMLResponse(html, status, _HEADERS)
