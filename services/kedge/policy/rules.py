"""The policy: which statistic, which threshold, what action."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Annotated, Literal, Protocol, Self

from pydantic import Field, model_validator

from kedge.contracts import Role
from kedge.performance.segments import SegmentPattern
from kedge.policy.matchers import Inhibition
from kedge.policy.pace import Pace
from kedge.policy.part import Name, Part, Severity, refused
from kedge.policy.rhythm import Rhythm
from kedge.policy.webhook import Webhook
from kedge.statistics import CATALOGUE

Action = Literal["notify", "rollback"]


class Span(Protocol):
    """A stretch of event time, in microseconds."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Rule(Part):
    """When to alert."""

    name: Name = Field(description="What happened, in a few words; stands in every alert.")
    statistic: Literal[tuple(CATALOGUE)] = Field(  # type: ignore[valid-type]  # one list of statistics
        description="Which number is looked at; `kedge policy statistics` lists them."
    )
    role: Role | None = Field(None, description="Features or outputs only.")
    columns: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] = Field(
        ("*",), description="Which features or outputs, as globs."
    )
    kind: Name | None = Field(
        None,
        description="This kind alone, not all together: for missing_rate a kind of missing, for "
        "error_rate a type of exception; for concept_drift the detector, adwin by default.",
    )
    segment: Name | None = Field(
        None,
        description="For performance: these rows alone, as feature=value, a glob of values or a "
        "range of numbers, [18,30); all by default.",
    )
    above: float | None = Field(None, description="A value above this is over the threshold.")
    below: float | None = Field(None, description="A value below this is over the threshold.")
    evidence_above: float | None = Field(
        None,
        ge=1,
        description="Fires only where the model's evidence of change in the same window is above "
        "this: on average so many windows pass until a false alarm.",
    )
    window_seconds: float | None = Field(
        None,
        gt=0,
        description="Length of the windows that are looked at; the base window by default.",
    )
    every_seconds: float | None = Field(
        None,
        gt=0,
        description="How far apart these are; their length by default, so that none overlap.",
    )
    min_rows: int = Field(
        200,
        ge=0,
        description="A window that the value is computed from fewer rows in says nothing.",
    )
    windows: int = Field(
        1, ge=1, le=1000, description="Windows in a row over the threshold until it fires."
    )
    resolve_windows: int = Field(
        1, ge=1, le=1000, description="Windows in a row under the threshold until it is resolved."
    )
    for_seconds: float = Field(
        0.0,
        ge=0,
        description="Event time that it has to stay over the threshold after the end of the first "
        "such window until it fires; `windows` has to hold too.",
    )
    keep_firing_for_seconds: float = Field(
        0.0,
        ge=0,
        description="Event time that it has to stay under the threshold until it is resolved; "
        "`resolve_windows` has to hold too.",
    )
    severity: Severity = "warning"
    action: Action = "notify"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.above is None) == (self.below is None):
            key = "statistic" if self.above is None else "below"
            raise refused(key, "a rule needs one threshold: either `above` or `below`")
        key = "above" if self.below is None else "below"
        entry = CATALOGUE[self.statistic]
        if not entry.low <= self.threshold <= entry.high:
            raise refused(key, f"{self.threshold:g} can't be: {self.statistic} is {entry.unit}")
        if self.segment is not None and not entry.segmented:
            raise refused("segment", f"{self.statistic} has no segments; accuracy, for one, has")
        try:
            _ = self.segment_pattern
        except ValueError as error:
            raise refused("segment", str(error)) from error
        if self.kind is not None and entry.kinds is not None and self.kind not in entry.kinds:
            says = (
                f"{self.kind!r} is none of {', '.join(entry.kinds)}"
                if entry.kinds
                else f"{self.statistic} has no kinds; missing_rate, error_rate and concept_drift "
                "have"
            )
            raise refused("kind", says)
        if entry.of == "window":
            for narrowing in ("role", "columns"):
                if narrowing in self.model_fields_set:
                    raise refused(narrowing, f"{self.statistic} is about the window, not a column")
        if entry.clock == "broker" and self.window_seconds is not None:
            raise refused("window_seconds", f"{self.statistic} has base windows only")
        if self.evidence_above is not None and self.statistic == "evidence":
            raise refused("evidence_above", "the rule is on evidence itself: `above` says it")
        if self.evidence_above is not None and (
            entry.part == "performance" or entry.clock == "broker"
        ):
            raise refused("evidence_above", f"{self.statistic} is published without evidence")
        if self.every_seconds is not None and self.every_seconds > (self.window_seconds or 0):
            says = (
                "belongs to a rule with `window_seconds`"
                if self.window_seconds is None
                else f"would leave gaps between windows of {self.window_seconds:g} seconds"
            )
            raise refused("every_seconds", f"{self.every_seconds:g} {says}")
        overlapping = self.every_seconds not in (None, self.window_seconds)
        if overlapping and entry.part == "performance":
            raise refused(
                "every_seconds",
                f"windows of {self.statistic} follow each other without overlapping: leave it out",
            )
        return self

    def pace(self, base_window: int) -> Pace:
        """Which windows it looks at, where a base window has so many microseconds."""
        entry = CATALOGUE[self.statistic]
        if self.window_seconds is None:
            return Pace(base_window, base_window, entry.clock, entry.part)
        length = round(self.window_seconds * 1e6)
        every = length if self.every_seconds is None else round(self.every_seconds * 1e6)
        return Pace(length, every, entry.clock, entry.part)

    @cached_property
    def segment_pattern(self) -> SegmentPattern | None:
        return None if self.segment is None else SegmentPattern.parse(self.segment)

    @property
    def kind_meant(self) -> str | None:
        """The kind that is looked at, whether or not the rule names it."""
        return self.kind or CATALOGUE[self.statistic].usual_kind

    def windows_needed(self, base_window: int) -> int:
        """How many windows in a row it looks at, to fire or to resolve."""
        every = self.pace(base_window).every
        longest = max(self.for_seconds, self.keep_firing_for_seconds)
        return max(self.windows, self.resolve_windows, 1 + math.ceil(longest * 1e6 / every))

    def has_held(self, over: Sequence[Span]) -> bool:
        """Whether it fires after these windows in a row over the threshold."""
        return len(over) >= self.windows and (
            over[-1].end - over[0].end >= round(self.for_seconds * 1e6)
        )

    def is_past(self, under: Sequence[Span]) -> bool:
        """Whether it is resolved after these windows in a row under the threshold."""
        return len(under) >= self.resolve_windows and (
            under[-1].end - under[0].start >= round(self.keep_firing_for_seconds * 1e6)
        )

    @property
    def threshold(self) -> float:
        threshold = self.above if self.below is None else self.below
        assert threshold is not None
        return threshold

    @property
    def comparison(self) -> str:
        return "above" if self.below is None else "below"

    def is_over(self, low: float, high: float) -> bool:
        """Whether a number is on the wrong side of the threshold for sure.

        Args:
            low: what it is at least.
            high: what it is at most; the same where it is known exactly.
        """
        return low > self.threshold if self.below is None else high < self.threshold

    def is_enough(self, evidence: float | None) -> bool:
        """Whether the model's evidence of change is what the rule asks for."""
        return self.evidence_above is None or (
            evidence is not None and evidence > self.evidence_above
        )

    def covers(
        self,
        statistic: str,
        role: str | None,
        column: str | None,
        kind: str | None,
        segment: str | None = None,
    ) -> bool:
        """Whether the rule is about this statistic."""
        return (
            statistic == self.statistic
            and (column is None or CATALOGUE[statistic].of == "column")
            and kind == self.kind_meant
            and (
                segment is None
                if self.segment_pattern is None
                else segment is not None and self.segment_pattern.covers(segment)
            )
            and (self.role is None or role == self.role)
            and (column is None or any(fnmatchcase(column, glob) for glob in self.columns))
        )

    @property
    def rows_needed(self) -> int:
        """Rows that a window's value has to be computed from to say something."""
        if CATALOGUE[self.statistic].is_count and "min_rows" not in self.model_fields_set:
            return 0  # small windows, and empty ones, are what such a rule is about
        return self.min_rows


class Rollback(Part):
    """What limits the rollbacks of rules with `action = "rollback"`."""

    mode: Literal["auto", "approve", "dry-run"] = Field(
        "auto",
        description="auto moves the alias; approve proposes it to a person; dry-run says in the "
        "alert what it would have done, and moves nothing.",
    )
    approve_within_seconds: float = Field(
        3600.0,
        gt=0,
        description="For approve: a proposal that nobody answered for so long expires.",
    )
    cooldown_seconds: float = Field(
        3600.0, ge=0, description="No second rollback of the alias within so long of the last."
    )
    most_per_day: int = Field(3, ge=0, description="No more rollbacks of the alias in 24 hours.")
    rehearse: bool = Field(
        default=True, description="The target first answers what the bad release was asked lately."
    )
    rehearse_rows: int = Field(
        500, ge=1, le=10_000, description="How many inputs; more where `min_rows` of the rule is."
    )
    rehearse_seconds: float = Field(
        20.0, gt=0, le=60, description="How long that may take, for each release that is tried."
    )
    rehearse_mib: int = Field(
        2048,
        ge=64,
        description="Address space that it may have, in MiB; a larger model needs more.",
    )
    rehearse_errors: float = Field(
        0.05, ge=0, le=1, description="Largest share of these inputs that it may raise on."
    )


class Policy(Part):
    """What to watch of one model, or of all that have no policy of their own."""

    model: Name = Field(description='The model\'s name, or "*".')
    environment: Name | None = Field(None, description="Only predictions from there.")
    alias: Name = Field("production", description="The alias that the rules watch.")
    rules: Annotated[tuple[Rule, ...], Field(strict=False)] = Field(
        description="One table [[rules]] at least: without any, nothing is watched."
    )
    rollback: Rollback = Rollback()
    rhythm: Rhythm | None = None
    webhooks: Annotated[tuple[Webhook, ...], Field(strict=False)] = ()
    inhibit: Annotated[tuple[Inhibition, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _usable(self) -> Self:
        # Not by min_length: a rule with a mistake counts there as no rule, which is told as well.
        if not self.rules:
            raise refused("rules", "without a rule, nothing is watched")
        for part, given in (
            ("rules", [rule.name for rule in self.rules]),
            ("webhooks", [webhook.name for webhook in self.webhooks]),
        ):
            for index, name in enumerate(given):
                if name in given[:index]:
                    raise refused(
                        f"{part}.{index}.name", f"a second one of {part} is named {name!r}"
                    )
        return self

    def covers(self, model: str, environment: str) -> bool:
        """Whether predictions of this model from this environment are its subject."""
        return self.model in ("*", model) and self.environment in (None, environment)

    @property
    def segments(self) -> tuple[SegmentPattern, ...]:
        """The segments that rules name, each once."""
        patterns = (rule.segment_pattern for rule in self.rules)
        return tuple(dict.fromkeys(each for each in patterns if each is not None))

    @property
    def detectors(self) -> tuple[str, ...]:
        """The detectors of concept drift that rules look at, each once."""
        rules = (rule for rule in self.rules if rule.statistic == "concept_drift")
        return tuple(dict.fromkeys(str(rule.kind_meant) for rule in rules))

    @property
    def precision(self) -> tuple[bool, bool]:
        """Of two policies that cover the same, the one with the greater precision holds."""
        return self.model != "*", self.environment is not None


def detectors_of(policies: tuple[Policy, ...], model: str, environment: str) -> tuple[str, ...]:
    """The detectors of concept drift that are wanted: the usual one, where no rule names any."""
    policy = policy_for(policies, model, environment)
    usual = CATALOGUE["concept_drift"].usual_kind
    assert usual is not None
    return (policy and policy.detectors) or (usual,)


def policy_for(policies: tuple[Policy, ...], model: str, environment: str) -> Policy | None:
    """The one policy that holds: the model's own before the one for all models."""
    covering = [policy for policy in policies if policy.covers(model, environment)]
    return max(covering, key=lambda policy: policy.precision, default=None)
