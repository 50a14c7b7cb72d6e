"""The dashboard: one page, whatever address a browser asks for, and what it is made of."""

from __future__ import annotations

import gzip
from functools import cache
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Response

from kedge.web import problems
from kedge.web.conditional import ConditionalRoute
from kedge.web.problems import ApiError

router = APIRouter(include_in_schema=False, route_class=ConditionalRoute)

_PAGE = "index.html"
_TYPES = {
    _PAGE: "text/html",
    "app.js": "text/javascript",
    "app.css": "text/css",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    # Nothing inline, and nothing from elsewhere.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Vary": "Accept-Encoding",
}

_Encodings = Annotated[str, Header(alias="Accept-Encoding")]


@router.get("/")
@router.get("/models/{rest:path}")
@router.get("/incidents/{rest:path}")
@router.get("/explore")
@router.get("/policy")
@router.get("/system")
def page(accept_encoding: _Encodings = "") -> Response:
    """The page; which view it shows is in its address, which it reads itself."""
    return _served(_PAGE, accept_encoding)


@router.get("/assets/{name}")
def asset(name: str, accept_encoding: _Encodings = "") -> Response:
    """A script or a style sheet."""
    if name not in _TYPES:
        raise ApiError(problems.NOT_FOUND, "the dashboard has no such part")
    return _served(name, accept_encoding)


def _served(name: str, accept_encoding: str) -> Response:
    headers = dict(_HEADERS)
    zipped = "gzip" in accept_encoding
    if zipped:
        headers["Content-Encoding"] = "gzip"
    return Response(_content(name, zipped=zipped), 200, headers, f"{_TYPES[name]}; charset=utf-8")


@cache
def _content(name: str, *, zipped: bool) -> bytes:
    content = (files("kedge.web") / "static" / name).read_bytes()
    return gzip.compress(content, mtime=0) if zipped else content
