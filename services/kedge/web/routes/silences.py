"""Silences: alerts that webhooks say nothing about for a while."""

from __future__ import annotations

import datetime as dt

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from kedge.clock import microseconds_now
from kedge.policy import Matchers
from kedge.registry import SilenceState
from kedge.web import API
from kedge.web.backend import RegistryDep
from kedge.web.callers import Operating, OperatingByJson, Reading
from kedge.web.conditional import ConditionalRoute
from kedge.web.pages import Page, PagingDep
from kedge.web.parameters import Moment, Number, Why
from kedge.web.problems import CHANGING, READING
from kedge.web.views import SilenceView

router = APIRouter(prefix=f"{API}/silences", tags=["silences"], route_class=ConditionalRoute)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class NewSilence(BaseModel):
    """Which alerts nobody wants to be told of, and for how long."""

    model_config = ConfigDict(extra="forbid")

    matchers: Matchers
    ends_at: Moment
    comment: Why
    starts_at: Moment | None = None


@router.get("", responses=READING, dependencies=[Reading])
def list_silences(
    registry: RegistryDep, paging: PagingDep, state: SilenceState | None = None
) -> Page[SilenceView]:
    """Silences, the newest first: all that there ever were, or those in one state now."""
    now = microseconds_now()
    found = registry.listings.silences(paging.after("silences", int), paging.wanted, state=state)
    rows = [(key, SilenceView.of(silence, now)) for key, silence in found]
    return paging.page("silences", rows, SilenceView)


@router.post("", status_code=201, responses=CHANGING)
def create_silence(new: NewSilence, changes: OperatingByJson, response: Response) -> SilenceView:
    """Silence the alerts that match. They still are on the topic, and may still move an alias."""
    made = changes.registry.silences.create(
        new.matchers,
        ends_at=_microseconds(new.ends_at),
        author=changes.caller.name,
        comment=new.comment,
        starts_at=None if new.starts_at is None else _microseconds(new.starts_at),
    )
    response.headers["Location"] = f"{API}/silences/{made.id}"
    return SilenceView.of(made, microseconds_now())


@router.get("/{number}", responses=READING, dependencies=[Reading])
def get_silence(number: Number, registry: RegistryDep) -> SilenceView:
    """A silence."""
    return SilenceView.of(registry.silences.get(number), microseconds_now())


@router.delete("/{number}", responses=CHANGING)
def expire_silence(number: Number, changes: Operating) -> SilenceView:
    """End a silence now; it stays in the list."""
    ended = changes.registry.silences.expire(number, actor=changes.caller.name)
    return SilenceView.of(ended, microseconds_now())


def _microseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)
