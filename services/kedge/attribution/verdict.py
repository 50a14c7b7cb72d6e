"""Whose fault it is, in a word and in sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Self

Blame = Literal["model", "code", "upstream", "world", "unclear"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the comparison of releases and windows says of a fault.

    Attributes:
        blame: whose fault it is; `unclear` where the evidence does not identify it.
        because: sentences with numbers, for whoever is on call. Of an unclear one, the last says
            what would settle it.
        came_with_release: whether the fault came with the release, so that a release that is free
            of it would be too; None where that is not known.
    """

    blame: Blame
    because: tuple[str, ...]
    came_with_release: bool | None

    def __str__(self) -> str:
        return f"{self.blame}, because {' '.join(self.because)}"

    def to_json(self) -> dict[str, Any]:
        return {
            "blame": self.blame,
            "because": list(self.because),
            "came_with_release": self.came_with_release,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(data["blame"], tuple(data["because"]), data["came_with_release"])
