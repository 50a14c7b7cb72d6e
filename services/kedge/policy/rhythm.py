"""The rhythm of a model's traffic: what comes again each day or week is no drift."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from kedge.policy.part import Part, refused
from kedge.statistics import Season

_LENGTHS = {"day": 86_400.0, "week": 604_800.0}


def _seconds(season: Any) -> Any:
    if not isinstance(season, str):
        return season
    if season not in _LENGTHS:
        raise refused("", f"{season!r} is no season: it is day, week, or a number of seconds")
    return _LENGTHS[season]


class Rhythm(Part):
    """Which windows are alike, and so have a reference of their own."""

    season: Annotated[float, BeforeValidator(_seconds), Field(gt=0)] = Field(
        description="How long it takes until windows are alike again: day, week, or seconds."
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=168,
        description="Parts of the season, counted in UTC; windows of one are alike. The hours of a "
        "week by default, and 24 of any other season.",
    )

    @property
    def as_season(self) -> Season:
        slots = self.slots or (168 if self.season == _LENGTHS["week"] else 24)
        return Season(slots, round(self.season / slots * 1e6))
