"""One cell of the benchmark: methods on clean windows, or on runs with a fault.

Counting follows the literature on sequential detection: false alarms by the clean windows between
them (Page, 1954), the delay from the onset of a fault, alarms before it put aside.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from benchmarks.decisions.faults import Family, Fault, chosen
from benchmarks.decisions.windows import Past, Rows, Window, counted
from kedge.profile import Profile, Reference

# Windows before the onset of a fault, and how long one may go unnoticed before it counts as missed.
BEFORE = 30
HORIZON = 60
# Pasts that the windows of a stream come after, each an equal share.
PASTS = 10
# Of the scores of clean windows so many of the highest are kept.
TAIL = 1000


class Stream(Protocol):
    """Where windows come from; one that is `independent` has `counts` too, as the mixture."""

    name: str
    rows: int

    @property
    def independent(self) -> bool: ...

    def past(self, rng: np.random.Generator) -> Past: ...

    def drawn(self, index: int, rows: int, rng: np.random.Generator, **more: Any) -> Rows: ...


@dataclass
class Clean:
    """What a method did on clean windows.

    Attributes:
        windows: how many it saw.
        alarms: how often it alarmed.
        tail: the highest scores, descending, of a method without state.
        seconds: of processor time for all windows.
    """

    windows: int = 0
    alarms: int = 0
    tail: list[float] = field(default_factory=list)
    seconds: float = 0.0

    def threshold(self, alarms: float) -> float:
        """The lowest that an oracle can set so that at most `alarms` of these windows alarm."""
        allowed = int(alarms)
        if allowed >= self.windows:
            return -math.inf
        if allowed >= len(self.tail):
            raise ValueError(f"{allowed} alarms asked for, {len(self.tail)} scores kept")
        return math.nextafter(self.tail[allowed], math.inf)


@dataclass
class Faulted:
    """What a method did on runs with a fault.

    Attributes:
        records: of each run, the windows since the onset, from 0, whose score was higher than every
            one before since the onset, with that score; of a method with state up to its alarm.
        early: alarms before the onset, all runs together.
    """

    records: list[list[tuple[int, float]]] = field(default_factory=list)
    early: int = 0

    def delays(self, threshold: float) -> list[float]:
        """Of each run: faulty windows before the one that alarmed; infinite where none did."""
        return [
            next((float(since) for since, score in run if score >= threshold), math.inf)
            for run in self.records
        ]


def generator(seed: int, *names: object) -> np.random.Generator:
    """The same for the same seed and names, whatever ran before."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])


@lru_cache(maxsize=PASTS)
def past_of(stream: Stream, number: int, seed: int) -> Past:
    return stream.past(generator(seed, stream.name, stream.rows, "past", number))


@lru_cache(maxsize=PASTS * 8)
def prepared(make: Any, past: Past) -> Any:
    """A method without state: made once, since what it learns of the past may take long."""
    return make(past)


def started(methods: dict[str, Any], past: Past) -> dict[str, Any]:
    return {
        name: make(past) if make.stateful else prepared(make, past)
        for name, make in methods.items()
    }


def reads_rows(method: Any) -> bool:
    return getattr(method, "reads_rows", False)


def clean(
    stream: Stream,
    methods: dict[str, Any],
    *,
    windows: int,
    seed: int,
    pasts: int = PASTS,
    tick: Callable[[int], None] = lambda _: None,
) -> dict[str, Clean]:
    """Methods on `windows` clean windows in all, after each of `pasts` pasts an equal share."""
    found = {name: Clean() for name in methods}
    scores: dict[str, list[float]] = {name: [] for name in methods}
    with_rows = any(map(reads_rows, methods.values()))
    for number in range(pasts):
        rng = generator(seed, stream.name, stream.rows, "clean", number)
        past = past_of(stream, number, seed)
        running = started(methods, past)
        for index in range(windows // pasts):
            window = _window(stream, past, index, rng, Fault("none"), with_rows=with_rows)
            for name, method in running.items():
                began = time.process_time()
                score = method.observe(window)
                found[name].seconds += time.process_time() - began
                found[name].windows += 1
                if not method.stateful:
                    scores[name].append(score)
                if score >= method.threshold:
                    found[name].alarms += 1
                    if method.stateful:
                        running[name] = methods[name](past)
            tick(1)
    for name, each in scores.items():
        found[name].tail = sorted(each, reverse=True)[:TAIL]
    return found


def faulted(
    stream: Stream,
    methods: dict[str, Any],
    family: Family,
    size: float,
    *,
    runs: int,
    seed: int,
    tick: Callable[[int], None] = lambda _: None,
) -> dict[str, Faulted]:
    """Methods on runs of `BEFORE` clean windows and `HORIZON` with the fault."""
    found = {name: Faulted() for name in methods}
    with_rows = any(map(reads_rows, methods.values()))
    for run in range(runs):
        rng = generator(seed, stream.name, stream.rows, family, size, run)
        past = past_of(stream, run % PASTS, seed)
        # Rhythms: the onset is at any hour of the week.
        onset = BEFORE + int(rng.integers(0, 168))
        fault = chosen(family, size, past, rng)
        running = started(methods, past)
        records: dict[str, list[tuple[int, float]]] = {name: [] for name in methods}
        for since in range(-BEFORE, HORIZON):
            now = fault if since >= 0 else Fault("none")
            window = _window(
                stream, past, onset + since, rng, now, since=since, with_rows=with_rows
            )
            for name, method in list(running.items()):
                score = method.observe(window)
                if since < 0 and score >= method.threshold:
                    found[name].early += 1
                    if method.stateful:
                        running[name] = methods[name](past)
                elif since >= 0 and (not records[name] or score > records[name][-1][1]):
                    records[name].append((since, score))
                    if method.stateful and score >= method.threshold:
                        del running[name]
            if not running:
                break
        for name, each in records.items():
            found[name].records.append(each)
        tick(1)
    return found


def _window(
    stream: Stream,
    past: Past,
    index: int,
    rng: np.random.Generator,
    fault: Fault,
    *,
    since: int = 0,
    with_rows: bool = False,
) -> Window:
    """The `since`-th window with the fault; without rows where counts are enough."""
    rows = fault.count(stream.rows)
    rule = getattr(stream, "rule", None)
    if stream.independent and not with_rows:
        window = stream.counts(index, rows, past, rng)
        if not fault.columns:
            return window
        drawn = fault.applied(stream.drawn(index, rows, rng, only=fault.columns), since, rng)
        return Window(index, _replaced(window.profile, drawn, past.reference))
    concept = {"concept": "changed"} if fault.family == "concept change" else {}
    drawn = fault.applied(stream.drawn(index, rows, rng, **concept), since, rng, rule)
    return Window(index, counted(drawn, past.reference), drawn)


def _replaced(profile: Profile, rows: Rows, reference: Reference) -> Profile:
    """The profile with the features of `rows` counted from them."""
    at = [i for i, column in enumerate(reference.columns) if column.spec.name in rows.features]
    part = counted(rows, Reference(reference.rows, tuple(reference.columns[i] for i in at)))
    counts, missing = list(profile.counts), profile.missing.copy()
    for here, i in enumerate(at):
        counts[i], missing[i] = part.counts[here], part.missing[here]
    return replace(profile, counts=tuple(counts), missing=missing)


def median(delays: Sequence[float]) -> float:
    """The lower one of two in the middle, so that it is a delay that was seen."""
    return sorted(delays)[(len(delays) - 1) // 2]
