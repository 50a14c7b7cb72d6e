"""What a release answered when it was replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """Of one input: outputs by name, or the type of the exception that it raised."""

    outputs: Mapping[str, Any]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """One run of a release over some inputs.

    Attributes:
        answers: of the first inputs, in order; of all of them unless it ended early.
        fault: why it can't serve: it does not load or it dies; None where it does neither.
        timeout: what it had not done when its time was over; None where it came to its end.
        hindrance: why it could not be run at all, for reasons that are not its own.
    """

    answers: tuple[Answer, ...] = ()
    fault: str | None = None
    timeout: str | None = None
    hindrance: str | None = None
