"""What came of a story against what should have."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

import structlog

from benchmarks.incidents.plan import Story, story
from benchmarks.incidents.play import Played, play

PROMPT = 3
"""Windows from the onset on within which a bad release is to be rolled back."""


@dataclass(frozen=True)
class Judged:
    """One story.

    Attributes:
        kind: whose fault it was; `unidentified` where what is seen does not tell.
        fault: what went wrong.
        verdict: what most of its incidents were blamed on, the unclear ones left out as long as
            there are others; `none` where nothing fired.
        incidents: how many fired, by verdict.
        bad_rollbacks: rollbacks to a release that is no better.
        prompt: whether the bad release was rolled back in time; None where there is none to roll
            back.
    """

    kind: str
    fault: str
    verdict: str
    incidents: dict[str, int]
    bad_rollbacks: int
    prompt: bool | None

    @property
    def is_right(self) -> bool:
        return self.verdict == {"unidentified": "unclear", "clean": "none"}.get(
            self.kind, self.kind
        )


def judged(told: Story, played: Played) -> Judged:
    last = Counter(last for _first, last in played.verdicts)
    clear = Counter({blame: n for blame, n in last.items() if blame != "unclear"})
    ((verdict, _),) = (clear or last).most_common(1) or [("none", 0)]
    sick = told.sick_release
    good = [(w, to) for w, to in played.moves if sick and w >= told.onset and to != sick]
    prompt = None
    if sick and not told.canary:
        prompt = any(window < told.onset + PROMPT for window, _ in good)
    return Judged(
        told.kind if told.identified else "unidentified",
        told.fault,
        verdict,
        dict(last),
        len(played.moves) - len(good[:1]),
        prompt,
    )


def measured(seed: int) -> tuple[int, Judged]:
    """Plays the story of a seed; for a process of its own."""
    planned = story(seed)
    return seed, judged(planned, play(planned))


def quiet() -> None:
    """No lines of the services on the terminal."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
