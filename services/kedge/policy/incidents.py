"""One stretch of firing, and what happens to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from kedge.attribution import Onset, Verdict
from kedge.contracts import Record
from kedge.policy.readings import Reading, Subject, Window
from kedge.policy.rules import Rule

Step = Literal[
    "fired",  # the newest windows are over the threshold
    "decided",  # what was put off or proposed when it fired is decided
    "resolved",  # the newest windows are under it
    "recovered",  # the release that was rolled back to is under it
    "not_helped",  # the release that was rolled back to is over it as well
    "superseded",  # the release serves no more, and another one is under it
    "withdrawn",  # the rule is no longer in the policy, or looks at other windows
    "forgotten",  # the release has had no window for long
]


@dataclass(frozen=True, slots=True)
class Incident:
    """One stretch in which a rule fires on one subject of one release.

    What the rule said when it fired is kept, so that every message on the incident agrees.

    Attributes:
        id: the fingerprint and the start of the stretch.
        fingerprint: names the rule on the subject of the release.
        release: which release.
        model_version: of the release.
        code_version: of the release.
        subject: which statistic of which column.
        rule: the rule's name.
        severity: of the rule.
        action: of the rule.
        threshold: of the rule.
        comparison: `above` or `below` the threshold fires.
        alias: what the policy watches.
        starts_at: start of the first window of the stretch.
        last: the newest window over the threshold.
        decision: as in the `alert` contract; None until one was taken.
        not_helped: the release that was rolled back to was over the threshold too.
        verdict: whose fault it is, as far as it was known when it was decided on last.
        onset: when the change began that the release's evidence shows; None while it shows none.
    """

    id: str
    fingerprint: str
    release: int
    model_version: str
    code_version: str
    subject: Subject
    rule: str
    severity: str
    action: str
    threshold: float
    comparison: str
    alias: str
    starts_at: int
    last: Window
    decision: Record | None = None
    not_helped: bool = False
    verdict: Verdict | None = None
    onset: Onset | None = None

    @property
    def is_put_off(self) -> bool:
        """Whether it was decided that it can't be decided yet."""
        return self.decision is not None and self.decision["action"] == "deferred"

    @property
    def proposal(self) -> int | None:
        """Number of the proposal that a person has not answered yet, as far as is known."""
        if self.decision is None or self.decision["action"] != "proposed":
            return None
        number: int = self.decision["proposal"]
        return number

    @property
    def rolled_back_to(self) -> int | None:
        return self.decision["to_release"] if self.decision is not None else None

    def to_json(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in self.__slots__},
            "subject": list(self.subject),
            "last": [self.last.start, self.last.end, self.last.revision],
            "verdict": None if self.verdict is None else self.verdict.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        verdict, onset = data["verdict"], data["onset"]
        return cls(
            **{
                **data,
                "subject": Subject(*data["subject"]),
                "last": Window(*data["last"]),
                "verdict": None if verdict is None else Verdict.from_json(verdict),
                "onset": None if onset is None else Onset(*onset),
            }
        )


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to an incident, for one alert message.

    Attributes:
        step: what happened.
        incident: as it is after that.
        trigger: the window whose arrival brought it.
        witness: the release that the trigger is of.
        reading: of that release, what the step is about; nearly always the trigger's. None where
            no value brought it.
    """

    step: Step
    incident: Incident
    trigger: Window
    witness: int
    reading: Reading | None = None

    def with_incident(self, incident: Incident) -> Change:
        """The same with what was decided on the incident since."""
        return replace(self, incident=incident)

    @property
    def firing(self) -> bool:
        """Whether the alert is on after this."""
        return self.step in ("fired", "decided", "not_helped")

    @property
    def id(self) -> str:
        """The same whenever the same windows are folded; no revision of a window comes twice."""
        parts = (self.incident.id, self.step, self.witness)
        return f"alert_{_digest(*parts, self.trigger.start, self.trigger.revision)[:32]}"


def fingerprint(model: str, environment: str, rule: Rule, release: int, subject: Subject) -> str:
    """Names an alert: the same rule on the same subject of the same release."""
    length = () if rule.window_seconds is None else (rule.window_seconds,)
    return _digest(model, environment, rule.name, release, *subject, *length)[:16]


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
