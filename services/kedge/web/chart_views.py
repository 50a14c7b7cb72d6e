"""What the API tells for charts: lists of one length in place of a record for each point."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from kedge.web.views import AliasView

Severity = Literal["info", "warning", "critical"]


class RecentView(BaseModel):
    """One of the last windows of a model, all releases and environments together."""

    window_start: dt.datetime
    window_end: dt.datetime
    release: int | None = Field(description="That with most rows.")
    rows: int | None
    errors: int | None
    label_coverage: float | None = Field(
        description="Share of the predictions whose truth is known."
    )
    drift: float | None = Field(description="PSI of the feature that has most.")
    missing: float | None = Field(description="Missing rate of the feature that has most.")


class OpenIncidentView(BaseModel):
    """What fires."""

    incident: str | None
    starts_at: dt.datetime
    severity: str | None
    summary: str | None


class OverviewView(BaseModel):
    """How a model does."""

    name: str
    aliases: list[AliasView]
    open_incidents: list[OpenIncidentView] = Field(description="Those that began last first.")
    windows: list[RecentView] = Field(description="The last ones, the oldest first.")


class SeriesOfRelease(BaseModel):
    """One statistic of one release, window by window: lists of one length."""

    release: int | None
    environment: str | None
    starts: list[dt.datetime]
    ends: list[dt.datetime]
    values: list[float | None]
    rows: list[int | None]
    lows: list[float | None]
    highs: list[float | None]
    notes: list[str | None]


class ColumnValues(BaseModel):
    """A statistic of a feature or output in each window."""

    role: str | None
    column_name: str
    values: list[float | None]


class MatrixView(BaseModel):
    """A statistic of every feature and output in the windows of the busiest release."""

    starts: list[dt.datetime]
    ends: list[dt.datetime]
    releases: list[int | None]
    environments: list[str | None]
    rows: list[int | None]
    columns: list[ColumnValues]


class AverageView(BaseModel):
    """A statistic of a release over all its windows."""

    statistic: str
    kind: str | None
    windows: int
    rows: int | None
    average: float | None = Field(description="Weighted with the rows.")
    least: float
    greatest: float


class BinView(BaseModel):
    """A bin of a reference, and the rows in it."""

    label: str
    low: float | None = Field(description="Numbers: from here on; null for the first bin.")
    high: float | None = Field(description="Numbers: below this; null for the last bin.")
    reference: int
    window: int


class MissingView(BaseModel):
    """Rows without a usable value."""

    kind: str
    reference: int
    window: int


class DistributionView(BaseModel):
    """A feature or output in a stretch of time, beside the reference of its model version."""

    role: Literal["feature", "output"]
    column_name: str
    type: str
    release: int
    reference_rows: int
    window_rows: int
    bins: list[BinView] = Field(description="None of a vector.")
    missing: list[MissingView]


class StatisticEntry(BaseModel):
    """What a statistic is."""

    name: str
    group: str
    of: Literal["window", "column"]
    unit: str
    meaning: str
    conventional: str = Field(description="Thresholds of the field; empty where it has none.")
    part: str
    kinds: list[str] | None = Field(description="Which there are; null for any text.")
