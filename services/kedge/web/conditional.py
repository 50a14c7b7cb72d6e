"""ETags: readers get what changed since, and writers change only what they saw (RFC 9110, 13)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Header, Request, Response
from fastapi.routing import APIRoute

from kedge.web import problems
from kedge.web.problems import ApiError

# The headers of a 304 take the place of those that a browser has stored with the answer.
_KEPT = ("ETag", "Cache-Control", "Content-Security-Policy", "Vary")
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_ONE_GENERATION = re.compile(r'"([0-9]{1,10})"')


class ConditionalRoute(APIRoute):
    """A route whose answers to GET have an ETag, and are left out where the client has them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def conditional(request: Request) -> Response:
            response = await handle(request)
            if request.method != "GET" or response.status_code != 200:  # noqa: PLR2004
                return response
            digest = hashlib.sha256(response.body).hexdigest()[:32]
            tag = response.headers.setdefault("ETag", f'"{digest}"')
            response.headers.setdefault("Cache-Control", "private, no-cache")
            known = request.headers.get("If-None-Match")
            if known is not None and _matches(known, tag):
                kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
                return Response(None, 304, kept)
            return response

        return conditional


def _matches(known: str, tag: str) -> bool:
    """Whether a client has it, by the weak comparison that reading asks for."""
    return known.strip() == "*" or tag in (each.removeprefix("W/") for each in _TAG.findall(known))


def generation_tag(generation: int) -> str:
    """The ETag of an alias.

    >>> generation_tag(7)
    '"7"'
    """
    return f'"{generation}"'


IfMatch = Annotated[
    str | None,
    Header(description='ETag of the alias as you saw it, for example `"7"`.'),
]
IfNoneMatch = Annotated[
    str | None, Header(description="`*` for an alias that is to be made by this move.")
]


def seen_generation(if_match: str | None, if_none_match: str | None, body: int | None) -> int:
    """The generation of an alias that a writer saw; 0 where there was none.

    Raises:
        ApiError: they did not say, or said it more than once.
    """
    said = [each for each in (if_match, if_none_match, body) if each is not None]
    if not said:
        raise ApiError(
            problems.PRECONDITION_REQUIRED,
            "a move has to name what it was decided on: the alias's ETag in If-Match, "
            "`If-None-Match: *` for a new alias, or `expected_generation`",
        )
    if len(said) > 1:
        raise ApiError(
            problems.MALFORMED,
            "If-Match, If-None-Match and `expected_generation` are three ways of saying one thing: "
            "use one",
        )
    if body is not None:
        return body
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise ApiError(problems.MALFORMED, "here, `If-None-Match` takes `*` only")
        return 0
    found = _ONE_GENERATION.fullmatch(str(if_match).strip())
    if found is None:
        raise ApiError(problems.MALFORMED, 'If-Match takes one ETag of an alias, as in `"7"`')
    return int(found[1])
