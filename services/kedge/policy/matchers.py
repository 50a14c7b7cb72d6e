"""Which alerts are meant: by their labels, as inhibitions and silences name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from kedge.contracts import Record
from kedge.policy.part import Name, Part, refused

Label = Literal[
    "model", "environment", "release", "rule", "column", "severity", "statistic", "action"
]
LABELS: tuple[str, ...] = get_args(Label)

Labels = Mapping[str, str]


def labels_of(alert: Record) -> dict[str, str]:
    """What an alert is matched and grouped by; empty where it has no such thing.

    Args:
        alert: as in the `alert` contract.
    """
    return {name: "" if alert[name] is None else str(alert[name]) for name in LABELS}


def _listed(value: Any) -> Any:
    """One glob, or a number of a release, in place of a list of globs."""
    each = value if isinstance(value, (list, tuple)) else [value]
    return tuple(str(one) if type(one) is int else one for one in each)


_Globs = Annotated[tuple[Name, ...], Field(min_length=1, strict=False), BeforeValidator(_listed)]
_Matcher = Annotated[_Globs | None, Field(description="A glob, or a list of them.")]


class Matchers(Part):
    """Alerts whose labels fit all that is given, each one glob of its list at least.

    >>> Matchers(rule="drift*", severity=["info", "warning"]).match(
    ...     {"rule": "drift of inputs", "severity": "info"}
    ... )
    True
    """

    model: _Matcher = None
    environment: _Matcher = None
    release: _Matcher = None
    rule: _Matcher = None
    column: _Matcher = None
    severity: _Matcher = None
    statistic: _Matcher = None
    action: _Matcher = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.given:
            raise refused("", f"needs a matcher at least, on one of {', '.join(LABELS)}")
        return self

    @property
    def given(self) -> dict[str, tuple[str, ...]]:
        """The globs by label."""
        return {name: globs for name in LABELS if (globs := getattr(self, name)) is not None}

    def match(self, labels: Labels) -> bool:
        return all(
            any(fnmatchcase(labels[name], glob) for glob in globs)
            for name, globs in self.given.items()
        )


class Inhibition(Part):
    """Alerts that mute others as long as they fire, as Alertmanager's inhibit_rules do."""

    source: Matchers = Field(description="Alerts that mute others.")
    target: Matchers = Field(description="Alerts that are muted.")
    equal: Annotated[tuple[Label, ...], Field(strict=False)] = Field(
        ("release",),
        description="Labels that both have alike, beside the model and the environment.",
    )

    def key(self, labels: Labels) -> tuple[str, ...]:
        """What both have alike."""
        return tuple(labels[name] for name in self.equal)


class Inhibitor:
    """What the alerts that fire mute.

    What is on both sides of an inhibition is not muted by what is on both sides too: else an alert
    would mute itself, and two each other (Prometheus documentation, "Inhibition-related settings").

    Args:
        inhibitions: of the policy.
        firing: labels of the alerts that fire.
    """

    def __init__(self, inhibitions: Iterable[Inhibition], firing: Iterable[Labels]) -> None:
        firing = list(firing)
        self._sources = []
        for each in inhibitions:
            sources = [labels for labels in firing if each.source.match(labels)]
            one_sided = [labels for labels in sources if not each.target.match(labels)]
            self._sources.append((each, set(map(each.key, sources)), set(map(each.key, one_sided))))

    def mutes(self, labels: Labels) -> bool:
        """Whether an alert with these labels is muted."""
        return any(
            each.target.match(labels)
            and each.key(labels) in (one_sided if each.source.match(labels) else sources)
            for each, sources, one_sided in self._sources
        )
