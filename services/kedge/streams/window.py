"""Pure: one window of one release, as a value and as kept state."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from kedge.contracts import Record
from kedge.profile import Expectation, Operations, Profile, Together
from kedge.profile.distinct import registers_from


class Stream(NamedTuple):
    """One model's predictions of one environment."""

    model: str
    environment: str


@dataclass(frozen=True, slots=True, order=True)
class WindowKey:
    """One window of one release; of those of one length, its start tells which."""

    model: str
    environment: str
    start: int
    release: int

    @property
    def stream(self) -> Stream:
        return Stream(self.model, self.environment)


@dataclass(slots=True)
class Window:
    """What is known of it.

    Attributes:
        end: first instant after it.
        model_version: of the release.
        code_version: of the release.
        profile: of all that came so far.
        revision: of the newest publication; -1 before the first.
        changed: whether something came since.
    """

    end: int
    model_version: str
    code_version: str
    profile: Profile
    revision: int = -1
    changed: bool = True

    def to_json(self) -> Record:
        profile = self.profile
        return {
            "end": self.end,
            "model_version": self.model_version,
            "code_version": self.code_version,
            "revision": self.revision,
            "changed": self.changed,
            "rows": profile.rows,
            "errors": profile.errors,
            "counts": [counts.tolist() for counts in profile.counts],
            "missing": profile.missing.tolist(),
            "sums": [sums.tolist() for sums in profile.sums],
            "together": profile.together.to_record(),
            "lost": profile.lost,
            "operations": profile.operations.to_record(),
            "registers": [b64encode(each).decode() for each in profile.registers],
            "expectation": profile.expectation.to_record(),
        }

    @classmethod
    def from_json(cls, state: Record) -> Self:
        profile = Profile(
            state["rows"],
            state["errors"],
            tuple(np.array(counts, np.int64) for counts in state["counts"]),
            np.array(state["missing"], np.int64),
            tuple(np.array(sums, np.int64) for sums in state["sums"]),
            Together.from_record(state["together"]),
            state["lost"],
            Operations.from_record(state["operations"]),
            registers_from(b64decode(each) for each in state["registers"]),
            Expectation.from_record(state.get("expectation")),
        )
        return cls(
            state["end"],
            state["model_version"],
            state["code_version"],
            profile,
            state["revision"],
            state["changed"],
        )


def as_bytes(value: Any) -> bytes:
    """A key or a value of the state."""
    return json.dumps(value, separators=(",", ":")).encode()
