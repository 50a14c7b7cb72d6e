"""Which segments of the policies the rows of the archive are in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import structlog

from kedge.performance import SegmentPattern, segments_of
from kedge.policy import Policy, policy_for
from kedge.profile import Reference, ReferenceColumn

References = Callable[[str, int], Reference | None]
"""Of a model and a release, its reference; None where the release is unknown."""

_log = structlog.get_logger(__name__)


class Segmenting:
    """The segments that policies name.

    Args:
        policies: all there are.
        references: of the releases.
    """

    def __init__(self, policies: tuple[Policy, ...], references: References) -> None:
        self._policies, self._references = policies, references
        self._patterns = cache(self._named)
        self._told: set[tuple[str, int, str]] = set()

    def features(self, model: str) -> list[str]:
        """The features of a model that segments are made by, in any environment."""
        covering = (policy for policy in self._policies if policy.model in ("*", model))
        return sorted({each.feature for policy in covering for each in policy.segments})

    def of_column(
        self, model: str, environment: str, release: int, feature: str
    ) -> Callable[[object], Sequence[str]] | None:
        """What says of a value of the feature which segments it is in; None where it is in none."""
        patterns = self._patterns(model, environment, feature)
        reference = self._references(model, release) if patterns else None
        if reference is None:
            return None
        column = _feature(reference, feature)
        if column is None or column.spec.type == "vector":
            self._warn(
                model, release, feature, "is a vector" if column else "is not in its reference"
            )
            return None
        return lambda value: segments_of(patterns, column, value)

    def _named(self, model: str, environment: str, feature: str) -> tuple[SegmentPattern, ...]:
        policy = policy_for(self._policies, model, environment)
        segments = () if policy is None else policy.segments
        return tuple(each for each in segments if each.feature == feature)

    def _warn(self, model: str, release: int, feature: str, why: str) -> None:
        if (model, release, feature) not in self._told:
            self._told.add((model, release, feature))
            _log.warning("no_segments", model=model, release=release, feature=feature, why=why)


def _feature(reference: Reference, name: str) -> ReferenceColumn | None:
    for column in reference.columns:
        if column.spec.role == "feature" and column.spec.name == name:
            return column
    return None
