"""What the registry holds. All of it is immutable: an alias changes by one more move.

Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from kedge.policy import Matchers
from kedge.profile import ColumnSpec, Reference


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An artifact with its signature and reference.

    Attributes:
        model: name of the model.
        id: content address of artifact, signature and reference together.
        artifact: content address of the artifact alone.
        reference: what the windows of its releases are compared with.
        created_at: when it was first registered.
        actor: who first registered it.
        format: of the artifact, see `kedge.artifacts`; `unknown` for one that was registered before
            formats were looked at.
        pickle_allowed_by: who allowed that loading the artifact may run code; None where nobody
            did.
    """

    model: str
    id: str
    artifact: str
    reference: Reference
    created_at: int
    actor: str
    format: str
    pickle_allowed_by: str | None = None

    @property
    def signature(self) -> tuple[ColumnSpec, ...]:
        return self.reference.signature


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """A version of the inference code.

    Attributes:
        model: name of the model.
        id: the git commit where there is one, else the content address of the bundle.
        commit: the git commit, in full.
        bundle: content address of the bundle, where one is stored.
        created_at: when it was first registered.
        actor: who first registered it.
    """

    model: str
    id: str
    commit: str | None
    bundle: str | None
    created_at: int
    actor: str


@dataclass(frozen=True, slots=True)
class Release:
    """A numbered pair of a model version and a code version.

    Attributes:
        model: name of the model.
        number: counts the releases of this model, from 1; none is given twice.
        model_version: id of the model version.
        code_version: id of the code version.
        created_at: when it was made.
        actor: who made it.
        reason: why; empty where nobody said.
    """

    model: str
    number: int
    model_version: str
    code_version: str
    created_at: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class AliasMove:
    """One move of an alias. The latest is where it points.

    Attributes:
        model: name of the model.
        alias: name of the alias.
        generation: counts the moves of this alias, from 1, without gaps.
        from_release: where it pointed; None at its first move.
        to_release: where it points.
        actor: who moved it: a person or a service.
        reason: why; empty where nobody said.
        incident: the incident that a rollback answers.
        moved_at: when.
        share: of the traffic, from 0 to 1, that its release gets as a canary; None where none was
            said, and then it gets none.
    """

    model: str
    alias: str
    generation: int
    from_release: int | None
    to_release: int
    actor: str
    reason: str
    incident: str | None
    moved_at: int
    share: float | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An incident that moves no alias, neither now nor later.

    Attributes:
        incident: which incident.
        model: name of the model.
        alias: name of the alias that stays where it is.
        generation: of the move, made for another incident, that answers this one too; None where
            none does.
        to_release: where that move led.
        actor: who refused: a person or a service.
        reason: why.
        refused_at: when.
    """

    incident: str
    model: str
    alias: str
    generation: int | None
    to_release: int | None
    actor: str
    reason: str
    refused_at: int


ProposalState = Literal["pending", "approved", "rejected", "expired", "stale", "withdrawn"]
"""`stale`: the alias was moved by somebody else. `withdrawn`: the incident ended."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A rollback that a person is asked about.

    Attributes:
        id: its number.
        incident: which incident asks for it.
        model: name of the model.
        alias: name of the alias that would be moved.
        expected_generation: of the move that the alias has to be at.
        from_release: where the alias points then.
        to_release: where it would be moved.
        actor: who proposed it: a service.
        reason: why.
        proposed_at: when.
        expires_at: from when on it can't be approved any more.
        state: `pending`, or how it ended.
        generation: approved: of the move.
        answered_by: who ended it; None while it is pending, or when only time did.
        answer: why.
        answered_at: when.
    """

    id: int
    incident: str
    model: str
    alias: str
    expected_generation: int
    from_release: int
    to_release: int
    actor: str
    reason: str
    proposed_at: int
    expires_at: int
    state: ProposalState
    generation: int | None = None
    answered_by: str | None = None
    answer: str | None = None
    answered_at: int | None = None

    def as_of(self, now: int) -> Self:
        """As it is at a moment: nobody has to end what time ends."""
        if self.state != "pending" or now < self.expires_at:
            return self
        return replace(self, state="expired", answered_at=self.expires_at)


@dataclass(frozen=True, slots=True)
class Deletion:
    """Something that was deleted.

    Attributes:
        model: name of the model.
        kind: `model_versions`, `code_versions` or `releases`.
        subject: id of the version or number of the release.
        actor: who deleted it.
        reason: why.
        deleted_at: when.
    """

    model: str
    kind: str
    subject: str
    actor: str
    reason: str
    deleted_at: int


SilenceState = Literal["pending", "active", "expired"]
"""As Alertmanager calls them."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Alerts that webhooks say nothing about for a while.

    Attributes:
        id: its number.
        matchers: which alerts.
        starts_at: from when.
        ends_at: until when, as it was wanted.
        author: who wanted it.
        comment: why.
        created_at: when it was made.
        expired_at: when somebody ended it early; None where nobody did.
        expired_by: who did.
    """

    id: int
    matchers: Matchers
    starts_at: int
    ends_at: int
    author: str
    comment: str
    created_at: int
    expired_at: int | None
    expired_by: str | None

    def is_active(self, at: int) -> bool:
        """Whether it is in force at a moment."""
        return self.starts_at <= at < self.over_at

    def state(self, at: int) -> SilenceState:
        """What it is at a moment."""
        if self.over_at <= at:
            return "expired"
        return "active" if self.is_active(at) else "pending"

    @property
    def over_at(self) -> int:
        """When it is or was over."""
        return self.ends_at if self.expired_at is None else min(self.ends_at, self.expired_at)
