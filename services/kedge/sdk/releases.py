"""Which release a prediction is of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from kedge.contracts import Tags


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """A release, and how it came to serve.

    Attributes:
        model: name of the model, as in the registry.
        number: of the release, per model.
        model_version: content address of the model version.
        code_version: version of the inference code.
        alias: the alias that was followed here; None for a release named in code.
        generation: which move of the alias made it live; 0 for a release named in code.
        share: of the traffic, from 0 to 1, that it gets where its alias is a canary; None where
            none was said.
    """

    model: str
    number: int
    model_version: str
    code_version: str
    alias: str | None = None
    generation: int = 0
    share: float | None = None

    @property
    def live(self) -> LiveRelease:
        """Itself: a release named in code is a `Source` that never changes."""
        return self

    def tags(self, environment: str) -> Tags:
        """What stands in the messages."""
        return Tags(self.model, self.model_version, self.code_version, self.number, environment)


class Source(Protocol):
    """Says which release is live: a `Follower`, or a `LiveRelease` for good."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def live(self) -> LiveRelease:
        """The release that serves now."""
        ...
