"""What the API tells of each thing in the registry."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kedge.registry import ProposalState, Scope, Silence, SilenceState

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _instant(value: Any) -> Any:
    # Exact, where `fromtimestamp` goes by floats.
    return _EPOCH + dt.timedelta(microseconds=value) if isinstance(value, int) else value


Instant = Annotated[dt.datetime, BeforeValidator(_instant)]
"""A time, in UTC; made from microseconds since 1970."""


class View(BaseModel):
    """Made from an entry of the registry."""

    model_config = ConfigDict(from_attributes=True)


class ModelView(View):
    """A model."""

    name: str


class AliasView(View):
    """Where an alias points: its latest move."""

    model: str
    alias: str
    generation: int = Field(description="Counts the moves; it is the ETag too.")
    from_release: int | None
    to_release: int
    actor: str
    reason: str
    incident: str | None = Field(description="What a rollback answers.")
    moved_at: Instant
    share: float | None = Field(description="Of the traffic, that its release gets as a canary.")


class ModelDetail(ModelView):
    """A model and where its aliases point."""

    aliases: list[AliasView]


class ModelVersionView(View):
    """A model version."""

    model: str
    id: str
    artifact: str = Field(description="Content address of the artifact.")
    created_at: Instant
    actor: str
    format: str = Field(description="Of the artifact.")
    pickle_allowed_by: str | None = Field(
        description="Who allowed that loading the artifact may run code; null where nobody did."
    )


class ColumnView(BaseModel):
    """A column of a signature."""

    name: str
    role: Literal["feature", "output"]
    type: str


class ModelVersionDetail(ModelVersionView):
    """A model version with its signature."""

    rows: int = Field(description="Rows that the reference is made of.")
    columns: list[ColumnView]


class CodeVersionView(View):
    """A version of the inference code."""

    model: str
    id: str
    commit: str | None
    bundle: str | None = Field(description="Content address of the bundle, where one is kept.")
    created_at: Instant
    actor: str


class ReleaseView(View):
    """A release."""

    model: str
    number: int
    model_version: str
    code_version: str
    created_at: Instant
    actor: str
    reason: str


class DifferenceView(View):
    """One thing in which two releases differ."""

    part: str = Field(description="artifact, signature, reference or code.")
    what: str
    before: str
    after: str


class RefusalView(View):
    """An incident that moves no alias."""

    incident: str
    model: str
    alias: str
    generation: int | None = Field(description="Of the move that answers this incident too.")
    to_release: int | None
    actor: str
    reason: str
    refused_at: Instant


class ProposalView(View):
    """A rollback that a person is asked about, as it is now."""

    id: int
    incident: str
    model: str
    alias: str
    expected_generation: int = Field(description="Where the alias has to be for it.")
    from_release: int
    to_release: int
    actor: str
    reason: str
    proposed_at: Instant
    expires_at: Instant
    state: ProposalState
    generation: int | None = Field(description="Approved: of the move.")
    answered_by: str | None
    answer: str | None
    answered_at: Instant | None


class DeletionView(View):
    """Something that was deleted."""

    model: str
    kind: str = Field(description="model_versions, code_versions or releases.")
    subject: str = Field(description="Id of the version, or number of the release.")
    actor: str
    reason: str
    deleted_at: Instant


class SilenceView(View):
    """Alerts that webhooks say nothing about for a while."""

    id: int
    matchers: dict[str, list[str]] = Field(description="Globs by label; all of them have to fit.")
    starts_at: Instant
    ends_at: Instant = Field(description="As it was wanted.")
    author: str
    comment: str
    created_at: Instant
    expired_at: Instant | None = Field(description="When somebody ended it early.")
    expired_by: str | None
    state: SilenceState

    @classmethod
    def of(cls, silence: Silence, now: int) -> Self:
        """A silence as it is at a moment, in microseconds since 1970."""
        return cls.model_validate(
            {**asdict(silence), "matchers": silence.matchers.given, "state": silence.state(now)}
        )


class CallerView(View):
    """Who asks."""

    name: str = Field(description="Of the token; `anonymous` without one.")
    scope: Scope


class TokenView(View):
    """What is known of a token."""

    name: str
    prefix: str
    scope: Scope
    created_at: Instant
    actor: str
    expires_at: Instant | None
    revoked_at: Instant | None
    used_at: Instant | None = Field(description="To ten minutes.")


class AuditView(View):
    """Who changed what, or was refused to."""

    sequence: int
    at: Instant
    actor: str
    action: str
    target: str
    request: str | None
    result: Literal["done", "refused"]
    detail: str
