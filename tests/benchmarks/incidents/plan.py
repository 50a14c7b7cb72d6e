"""What happens in one incident, drawn from its seed: releases, traffic, labels, and the fault."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Kind = Literal["code", "model", "upstream", "world", "clean"]

FAULTS: dict[Kind, tuple[str, ...]] = {
    "code": (
        "input lost",
        "input filled in",
        "wrong type",
        "unit in code",
        "output scaled",
        "raises",
    ),
    "model": ("trained on noise", "trained on another slice", "overconfident"),
    "upstream": ("null feed", "unit", "stuck value", "renamed categories", "null feed in part"),
    "world": ("slow tilt", "season", "concept"),
    "clean": ("none",),
}
"""By whose they are. Some need labels, categories or a season; see `possible`."""

WARM_UP = 10
"""Windows of the first release before anything changes."""

AFTER = 9
"""Windows from the fault's onset on."""

POOLS = ("flights", "flights by season", "agrawal", "sea", "phishing", "made")
_CATEGORIES = ("flights", "flights by season", "agrawal", "made")


@dataclass(frozen=True)
class Release:
    """One release of the story.

    Attributes:
        model: which model version, counted from 0.
        code: which code version, counted from 0.
        served_from: the window from which on the alias points at it.
    """

    model: int
    code: int
    served_from: int


@dataclass(frozen=True)
class Story:
    """One incident.

    Attributes:
        seed: of all that is left to chance.
        kind: whose fault it is.
        fault: what goes wrong.
        pool: where the rows come from.
        releases: in the order in which they are deployed, the first at window 0.
        onset: window in which the fault begins; of one that a release brings, that release's first.
        rows: a window, of all releases together.
        beside: the share of the traffic that the release before the last keeps; 0 for none.
        canary: whether the alias stays at that release, and the last one has that share instead.
        labelled: whether outcomes come.
        identified: whether what is seen tells whose fault it is; else `unclear` is right.
    """

    seed: int
    kind: Kind
    fault: str
    pool: str
    releases: tuple[Release, ...]
    onset: int
    rows: int
    beside: float
    canary: bool
    labelled: bool
    identified: bool

    @property
    def windows(self) -> int:
        return self.onset + AFTER

    @property
    def sick_release(self) -> int | None:
        """Number of the release that brings the fault."""
        return len(self.releases) if self.kind in ("code", "model") else None


def possible(fault: str, pool: str, *, labelled: bool) -> bool:
    if fault in ("trained on noise", "concept"):
        # A linear model does no better on Agrawal's data than by saying the same always.
        return labelled and pool != "agrawal"
    if fault == "renamed categories":
        return pool in _CATEGORIES
    if fault in ("trained on another slice", "slow tilt"):
        return pool != "flights by season"
    return fault != "season" or pool == "flights by season"


def story(seed: int) -> Story:
    """The story of a seed. Kinds take turns, so that there are as many of each."""
    random = Random(seed)
    kind = tuple(FAULTS)[seed % len(FAULTS)]
    labelled = random.random() < 0.6
    pool = random.choice(POOLS)
    fault = random.choice([f for f in FAULTS[kind] if possible(f, pool, labelled=labelled)])
    if not fault:
        labelled, fault = (
            True,
            random.choice([f for f in FAULTS[kind] if possible(f, pool, labelled=True)]),
        )
    releases, at = [Release(0, 0, 0)], WARM_UP
    for _ in range(random.randint(1 if kind in ("code", "model") else 0, 4)):
        releases.append(Release(releases[-1].model, releases[-1].code, at))
        at += random.randint(3, 6)
    onset = releases[-1].served_from
    for number in range(1, len(releases)):
        last = number == len(releases) - 1
        changes = _changes(random, kind if last else "clean")
        before = releases[number - 1]
        releases[number] = Release(
            max(r.model for r in releases[:number]) + 1 if "model" in changes else before.model,
            max(r.code for r in releases[:number]) + 1 if "code" in changes else before.code,
            releases[number].served_from,
        )
    beside = random.choice((0.0, 0.0, 0.3, 0.5)) if len(releases) > 1 else 0.0
    both = len(releases) > 1 and _changed(releases) == {"model", "code"}
    if kind in ("upstream", "world", "clean"):
        # One that begins just as a release does can be told only where another serves beside it.
        onset += WARM_UP if len(releases) == 1 else random.randint(0 if beside else 1, 5)
    return Story(
        seed,
        kind,
        fault,
        pool,
        tuple(releases),
        onset,
        random.choice((400, 1000, 2000)),
        beside,
        beside > 0 and random.random() < 0.3,
        labelled,
        # Features are logged before the model: what is missing tells by itself.
        not both
        or kind not in ("code", "model")
        or fault in ("input lost", "input filled in", "wrong type"),
    )


def _changes(random: Random, kind: Kind) -> set[str]:
    if kind in ("code", "model") and random.random() < 0.92:
        return {kind}
    if kind in ("code", "model"):
        return {"model", "code"}
    return random.choice(({"model"}, {"code"}, {"model", "code"}))


def _changed(releases: list[Release]) -> set[str]:
    before, after = releases[-2:]
    return {what for what in ("model", "code") if getattr(before, what) != getattr(after, what)}
