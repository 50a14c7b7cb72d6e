"""One cell of the benchmark: methods on clean windows, or on runs with a fault.

Counting follows the literature on sequential detection: false alarms by the clean windows between
them (Page, 1954), the delay from the onset of a fault, alarms before it put aside.
"""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from benchmarks.decisions.faults import Family, Fault, chosen
from benchmarks.decisions.windows import Past, Rows, Window, counted

# Windows before the onset of a fault, and how long one may go unnoticed before it counts as missed.
BEFORE = 30
HORIZON = 60
# Runs with a fault that share a past.
RUNS_A_PAST = 5
# Of the scores of clean windows so many of the highest are kept.
TAIL = 1000


class Stream(Protocol):
    """Where windows come from."""

    name: str
    rows: int

    def past(self, rng: np.random.Generator) -> Past: ...

    def drawn(self, index: int, rows: int, rng: np.random.Generator) -> Rows: ...

    def counts(self, index: int, rows: int, past: Past, rng: np.random.Generator) -> Window: ...


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
            one before since the onset, with that score.
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


def clean(
    stream: Stream,
    methods: dict[str, Any],
    *,
    windows: int,
    pasts: int,
    seed: int,
    tick: Callable[[int], None] = lambda _: None,
) -> dict[str, Clean]:
    """Methods on `windows` clean windows in all, after each of `pasts` pasts an equal share."""
    found = {name: Clean() for name in methods}
    scores: dict[str, list[float]] = {name: [] for name in methods}
    with_rows = any(getattr(make, "reads_rows", False) for make in methods.values())
    for number in range(pasts):
        rng = generator(seed, stream.name, stream.rows, "clean", number)
        past = stream.past(rng)
        running = {name: make(past) for name, make in methods.items()}
        for index in range(windows // pasts):
            if with_rows:
                rows = stream.drawn(index, stream.rows, rng)
                window = Window(index, counted(rows, past.reference), rows)
            else:
                window = stream.counts(index, stream.rows, past, rng)
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
    for run in range(runs):
        rng = generator(seed, stream.name, stream.rows, family, size, run)
        if run % RUNS_A_PAST == 0:
            past = stream.past(rng)
            running = {name: make(past) for name, make in methods.items()}
        # Rhythms: the onset is at any hour of the week.
        first = int(rng.integers(0, 168))
        fault = chosen(family, size, past, rng)
        windows = _windows(stream, past, fault, first, rng)
        fresh = {name: make(past) for name, make in methods.items() if make.stateful}
        _run(windows, running | fresh, lambda name: methods[name](past), first, found)  # noqa: B023
        tick(1)
    return found


def _windows(
    stream: Stream, past: Past, fault: Fault, first: int, rng: np.random.Generator
) -> Iterable[Window]:
    for index in range(first, first + BEFORE):
        rows = stream.drawn(index, stream.rows, rng)
        yield Window(index, counted(rows, past.reference), rows)
    for since in range(HORIZON):
        index = first + BEFORE + since
        rows = fault.rows(stream, index, since, rng)
        yield Window(index, counted(rows, past.reference), rows)


def _run(
    windows: Iterable[Window],
    running: dict[str, Any],
    restarted: Callable[[str], Any],
    first: int,
    found: dict[str, Faulted],
) -> None:
    records: dict[str, list[tuple[int, float]]] = {name: [] for name in running}
    for window in windows:
        since = window.index - first - BEFORE
        for name, method in list(running.items()):
            score = method.observe(window)
            if since < 0:
                if score >= method.threshold:
                    found[name].early += 1
                    if method.stateful:
                        running[name] = restarted(name)
            elif not records[name] or score > records[name][-1][1]:
                records[name].append((since, score))
    for name, each in records.items():
        found[name].records.append(each)


def median(delays: Sequence[float]) -> float:
    """The lower one of two in the middle, so that it is a delay that was seen."""
    return sorted(delays)[(len(delays) - 1) // 2]
