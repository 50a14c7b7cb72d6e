"""What stream processors know of a release."""

from __future__ import annotations

from dataclasses import dataclass

from kedge.performance import AnyEstimator
from kedge.profile import Reference


@dataclass(frozen=True, slots=True)
class KnownRelease:
    """A release with all that a window of it is compared with."""

    model: str
    number: int
    model_version: str
    code_version: str
    reference: Reference
    estimator: AnyEstimator | None
