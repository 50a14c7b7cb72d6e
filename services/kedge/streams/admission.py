"""Pure: which predictions can be believed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kedge.contracts import PredictionBatch
from kedge.streams.known import KnownRelease

EARLIEST = 946_684_800_000_000
"""2000-01-01: seconds or milliseconds taken for microseconds come out before it."""

MOST_WINDOWS = 1440
"""Base windows that one message may have rows in: a day of minutes. Each is a message to come."""


class Refusal(NamedTuple):
    """Why a message is not counted.

    Attributes:
        reason: a code of the documented list (`docs/dead-letters.md`).
        detail: what exactly was wrong, for a person.
    """

    reason: str
    detail: str


def refusal(
    predictions: PredictionBatch, known: KnownRelease | None, *, latest: int, window: int
) -> Refusal | None:
    """Why the predictions of a message can't be counted; None where they can.

    Args:
        predictions: all of the message.
        known: the release that they say made them; None where nobody knows it.
        latest: no event time after this is believed, microseconds since 1970 UTC.
        window: length of a base window, microseconds.
    """
    tags = predictions.tags
    if known is None:
        return Refusal(
            "unknown_release",
            f"release {tags.release} of model `{tags.model}` is not in the registry",
        )
    if (known.model_version, known.code_version) != (tags.model_version, tags.code_version):
        return Refusal(
            "wrong_release",
            f"release {tags.release} of model `{tags.model}` is model version "
            f"{known.model_version} with code version {known.code_version}, not "
            f"{tags.model_version} with {tags.code_version}",
        )
    if not predictions.rows:
        return None
    times = predictions.event_times
    oldest, newest = int(times.min()), int(times.max())
    if oldest < EARLIEST or newest > latest:
        return Refusal(
            "absurd_time",
            f"has event times from {oldest} to {newest} microseconds since 1970; they "
            f"have to be between {EARLIEST} (the year 2000) and "
            f"{latest} (its arrival and what is tolerated)",
        )
    if newest - oldest >= MOST_WINDOWS * window:
        windows = len(np.unique(times // window))
        if windows > MOST_WINDOWS:
            return Refusal(
                "absurd_time",
                f"has event times in {windows} windows; one message may have them in "
                f"{MOST_WINDOWS}",
            )
    return None
