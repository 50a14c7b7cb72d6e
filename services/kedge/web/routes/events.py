"""News as it is archived, by server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from kedge.web import API, problems
from kedge.web.backend import BackendDep
from kedge.web.callers import Reading
from kedge.web.news import Position
from kedge.web.problems import ApiError, documented

router = APIRouter(prefix=API, tags=["events"], dependencies=[Reading])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events, for ten minutes at most", "content": {"text/event-stream": {}}}
}


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={**documented(400, 401, 403, 421, 422, 429, 503), **_STREAM},
)
async def listen(
    backend: BackendDep,
    last_event_id: Annotated[
        str | None, Header(max_length=20_000, description="To go on after this event.")
    ] = None,
) -> StreamingResponse:
    """Each `alert`, `release` (made, or an alias moved) and `window`, as soon as it is archived.

    Without `Last-Event-ID` it begins with what comes next. With it nothing is left out, and what
    came last may come again.
    """
    try:
        heard = None if last_event_id is None else Position.parse(last_event_id)
    except ValueError as error:
        raise ApiError(problems.INVALID, f"Last-Event-ID: {error}") from error
    begin = await backend.feed.begin(heard)
    return StreamingResponse(backend.feed.listen(begin), media_type="text/event-stream")
