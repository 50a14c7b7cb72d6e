"""Each request's id, its line in the log and its part in the metrics."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kedge.web import problems
from kedge.web.metrics import Metrics

REQUEST_ID = "X-Request-ID"
_PROPER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_log = structlog.get_logger(__name__)


def request_id_of(scope: MutableMapping[str, Any]) -> str | None:
    """The id of a request; None before it has one."""
    found: str | None = scope.get("state", {}).get("request_id")
    return found


def address_of(request: Request) -> str:
    """Where a request comes from, as the socket has it: no header is believed."""
    return request.client.host if request.client else "unknown"


class RequestLog:
    """The outermost layer: nothing is answered without an id, nor unseen by log and metrics."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _PROPER.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, sending)
            except Exception:
                _log.exception("fault")
                if status:
                    raise  # half an answer is out: the connection has to break
                fault = problems.ApiError(
                    problems.INTERNAL, "it is in the server's log, by the request's id"
                )
                await problems.answer(fault, request_id)(scope, receive, sending)
            finally:
                self._seen(scope, status, time.perf_counter() - started)

    def _seen(self, scope: Scope, status: int, seconds: float) -> None:
        # The template and never the path: what strangers ask for is no label.
        route = getattr(scope.get("route"), "path", None)
        self._metrics.request(scope["method"], route, status, seconds)
        _log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            seconds=round(seconds, 6),
            caller=scope["state"].get("caller"),
            address=scope["client"][0] if scope.get("client") else None,
        )
