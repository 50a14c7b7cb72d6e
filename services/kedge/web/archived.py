"""What the API tells of what is in the archive."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field


class StatisticView(BaseModel):
    """One statistic of a window, as last revised."""

    model: str
    release: int | None
    environment: str | None
    model_version: str | None
    code_version: str | None
    clock: str = Field(description="Which time the window is of: event or broker.")
    part: str = Field(description="predictions, performance, …: revised apart.")
    window_start: dt.datetime
    window_end: dt.datetime
    revision: int
    statistic: str
    role: str | None
    column_name: str | None = Field(description="Null for the whole window.")
    kind: str | None
    segment: str | None
    value: float | None = Field(description="Null where it can't be had; the note says why.")
    rows: int | None = Field(description="What it is computed from.")
    low: float | None
    high: float | None
    note: str | None


class WindowView(BaseModel):
    """A window of a release."""

    model: str
    release: int | None
    environment: str | None
    clock: str
    part: str
    window_start: dt.datetime
    window_end: dt.datetime
    revision: int
    rows: int | None = Field(description="Predictions in it.")
    errors: int | None = Field(description="Of these, inferences that raised.")
    statistics: int = Field(description="How many statistics there are of it.")


class SeriesView(BaseModel):
    """A statistic of which there are windows."""

    statistic: str
    role: str | None
    column_name: str | None
    kind: str | None
    segment: str | None
    windows: int
    first: dt.datetime = Field(description="Start of the first of the windows.")
    last: dt.datetime


class _JudgedView(BaseModel):
    """Whose fault it is, and what was decided."""

    verdict: str | None = Field(
        description="Whose fault it is: model, code, upstream, world or unclear."
    )
    verdict_because: list[str] | None = Field(
        description="The comparisons that say so, as sentences."
    )
    onset: dt.datetime | None = Field(
        description="When the change began that the evidence shows; null while it shows none."
    )
    onset_earliest: dt.datetime | None = Field(description="When it began at the earliest.")
    onset_latest: dt.datetime | None = Field(description="When it began at the latest.")
    decision_action: str | None = Field(
        description="rolled_back, refused, proposed to a person, or deferred: not decided yet."
    )
    decision_to_release: int | None
    decision_generation: int | None
    decision_proposal: int | None = Field(description="By which a person was asked.")
    decision_reason: str | None
    decided_at: dt.datetime | None


class AlertView(_JudgedView):
    """A change of an alert."""

    id: str
    fingerprint: str | None
    incident: str | None
    status: str | None = Field(description="firing or resolved.")
    step: str | None = Field(
        description="What happened: fired, decided, resolved, recovered, not_helped, superseded, "
        "withdrawn or forgotten."
    )
    model: str
    release: int | None
    environment: str | None
    alias: str | None
    rule: str | None
    severity: str | None
    action: str | None
    statistic: str | None
    role: str | None
    column_name: str | None
    kind: str | None
    segment: str | None
    threshold: float | None
    value: float | None
    rows: int | None
    starts_at: dt.datetime | None
    ends_at: dt.datetime | None
    window_start: dt.datetime | None
    window_end: dt.datetime | None
    summary: str | None
    decision_from_release: int | None
    produced_at: dt.datetime


class IncidentView(_JudgedView):
    """One stretch of firing, as its latest alert has it, and what was decided."""

    model: str
    incident: str
    starts_at: dt.datetime
    ends_at: dt.datetime | None
    status: str | None
    severity: str | None
    rule: str | None
    summary: str | None
    alias: str | None
    release: int | None
    helped: bool | None = Field(
        description="Whether the release that was gone back to is well; null until its windows say."
    )
    alerts: int = Field(description="Changes of the alert so far.")
