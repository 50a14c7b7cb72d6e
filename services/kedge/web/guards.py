"""Layers around the routes that know nothing of them: headers, names of this host, sizes, times."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kedge.web import problems
from kedge.web.problems import ApiError, answer
from kedge.web.requests import request_id_of
from kedge.web.settings import WebSettings, is_loopback

_HEADERS = {
    # Whatever a browser makes of an answer, it loads and runs nothing; the dashboard says its own.
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


_DISCARD_BYTES = 1 << 22
_DISCARD_SECONDS = 2.0


class SecurityHeaders:
    """Headers of every answer that does not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending)


class KnownHosts:
    """Answers only to its own names, so that no web page reaches it by a name that it rebinds."""

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app = app
        self._names = {web.host.lower(), *(name.lower() for name in web.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._knows(Headers(scope=scope).get("host", "")):
            error = ApiError(
                problems.MISDIRECTED,
                "the header Host names none of this server's names; KEDGE_WEB__HOSTS adds one",
            )
            await answer(error, request_id_of(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _knows(self, host: str) -> bool:
        name = host.rpartition(":")[0] if ":" in host.rpartition("]")[2] else host
        name = name.strip("[]").lower()
        return name in self._names or is_loopback(name)


class BodyLimits:
    """Stops a body that is too large or too slow, when somebody begins to read it.

    A route that takes more sets `scope["state"]["body_limit"]` first.
    """

    def __init__(self, app: ASGIApp, web: WebSettings) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        announced = Headers(scope=scope).get("content-length", "0")
        received = 0

        async def receiving() -> Message:
            nonlocal received
            limit = state.get("body_limit", self._web.body_limit)
            if announced.isdecimal() and int(announced) > limit:
                raise _too_large(limit)
            if state.get("body_done"):
                return await receive()  # what comes now is the end of the connection, at any time
            try:
                message = await asyncio.wait_for(receive(), self._web.receive_timeout)
            except TimeoutError as error:
                state["body_done"] = True
                raise ApiError(
                    problems.TIMEOUT,
                    f"nothing came for {self._web.receive_timeout:g} seconds",
                    headers={"Connection": "close"},
                ) from error
            received += len(message.get("body", b""))
            state["body_done"] = not message.get("more_body", False)
            if received > limit:
                raise _too_large(limit)
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not state.get("body_done"):
                await _discard(Headers(scope=scope), receive)
                state["body_done"] = True
            await send(message)

        await self._app(scope, receiving, sending)


async def _discard(headers: Headers, receive: Receive) -> None:
    """Take some of a body that nobody wants.

    Closing a connection with bytes unread resets it, and the client may not see its answer.
    """
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return
    if headers.get("expect"):
        return  # it waits for us before it sends anything
    discarded = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_DISCARD_SECONDS):
            while discarded < _DISCARD_BYTES:
                message = await receive()
                discarded += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _too_large(limit: int) -> ApiError:
    return ApiError(
        problems.TOO_LARGE,
        f"{limit:,} bytes are the most that are taken here",
        headers={"Connection": "close"},
    )
