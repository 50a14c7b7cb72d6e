"""What there is to decide on, when an incident asks for a rollback."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from kedge.attribution import Verdict
from kedge.policy.distance import Distance
from kedge.policy.incidents import Incident
from kedge.policy.readings import Reading
from kedge.policy.rules import Rollback, Rule


class Move(Protocol):
    """A move of an alias, as the registry keeps it."""

    @property
    def generation(self) -> int: ...
    @property
    def from_release(self) -> int | None: ...
    @property
    def to_release(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def incident(self) -> str | None:
        """The incident that a rollback answers; None for every other move."""

    @property
    def moved_at(self) -> int: ...


class Released(Protocol):
    """A release, as the registry keeps it."""

    @property
    def number(self) -> int: ...
    @property
    def model_version(self) -> str: ...
    @property
    def code_version(self) -> str: ...


class Rehearsed(Protocol):
    """What came of replaying the last logged inputs through a release."""

    @property
    def ok(self) -> bool | None:
        """Whether it would do better; None where the rehearsal can't say."""

    @property
    def because(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Case:
    """What there is to decide on.

    Attributes:
        incident: what fires.
        rule: by which rule.
        guard: what the policy allows.
        verdict: whose fault it is.
        readings: the same statistic, by release, oldest window first; this release's own too.
        history: every move of the alias, oldest first.
        now: on the clock of the moves, microseconds since 1970.
        releases: every registered release of the model, by number.
        ailing: of releases with an open incident of their own that asks for a rollback, which.
        rehearsals: what replaying the last inputs said of a release, where that was done.
        distances: of these inputs from the reference of a release, where that was measured; of the
            sick release too.
    """

    incident: Incident
    rule: Rule
    guard: Rollback
    verdict: Verdict
    readings: Mapping[int, Sequence[Reading]]
    history: Sequence[Move]
    now: int
    releases: Mapping[int, Released] = field(default_factory=dict)
    ailing: Mapping[int, str] = field(default_factory=dict)
    rehearsals: Mapping[int, Rehearsed] = field(default_factory=dict)
    distances: Mapping[int, Distance] = field(default_factory=dict)
