"""What is measured: streams, faults with sizes, and how much of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from benchmarks.decisions.faults import Family
from benchmarks.decisions.measure import Stream, reads_rows
from benchmarks.decisions.methods import METHODS, PLOTTED
from benchmarks.decisions.mixture import Mixture
from benchmarks.decisions.pools import POOLS, Pool

STREAMS: dict[str, Stream] = {
    stream.name: stream
    for stream in (
        Mixture("mixture"),
        Mixture("mixture, 20 rows", rows=20),
        Mixture("mixture, 2000 rows", rows=2000, past_windows=100),
        Mixture("mixture, correlated", correlation=0.4),
        # The windows' own variation is as large as the noise of 200 rows, or about.
        Mixture("mixture, overdispersed", spread=0.05),
        Mixture("mixture, daily rhythm", daily=0.3),
        Mixture("mixture, weekly rhythm", daily=0.3, weekly=0.15, past_windows=12 * 168),
        # The past has no more rows than ten windows.
        Mixture("mixture, short past", past_windows=10),
        *POOLS.values(),
        replace(POOLS["agrawal"], name="agrawal, 20 rows", rows=20),
        replace(POOLS["flights"], name="flights, 20 rows", rows=20),
    )
}
# The sizes are those that matter: what a user would want to be woken for. Smaller ones beside them
# tell how a method degrades; that they are missed breaks no goal.
FAULTS: tuple[tuple[Family, float], ...] = (
    ("unit change", 1.8),
    ("swapped columns", 1.0),
    ("null feed", 0.05),
    ("null feed", 0.3),
    ("stale feature", 0.2),
    ("stale feature", 1.0),
    ("clipped values", 0.15),
    ("level shift", 0.25),
    ("level shift", 0.5),
    ("level shift", 1.0),
    ("slow drift", 0.02),
    ("label flip", 0.2),
    ("concept change", 1.0),
    ("volume burst", 10.0),
)
MATTER: dict[Family, float] = {
    "unit change": 1.8,
    "swapped columns": 1.0,
    "null feed": 0.3,
    "stale feature": 1.0,
    "clipped values": 0.15,
    "level shift": 1.0,
    "slow drift": 0.02,
    "label flip": 0.2,
    "concept change": 1.0,
}
# Values of a window that river's detectors take in good time, and those that KSWIN does.
AFFORDABLE, AFFORDABLE_SLOW = 20_000, 300
WITH_ROWS, WITH_ROWS_SLOW = 2000, 200
RUNS_SLOW = 3
PLOTTED_STREAM = "mixture"


@dataclass(frozen=True)
class Cell:
    """One measurement of one method; the same cell gives the same answer.

    Attributes:
        kind: clean windows, or runs with a fault.
        amount: windows, or runs.
    """

    kind: Literal["clean", "fault"]
    stream: str
    method: str
    amount: int
    seed: int
    family: Family = "none"
    size: float = 1.0

    def to_record(self) -> dict[str, Any]:
        return asdict(self)


def cells(
    streams: list[str], methods: list[str], *, windows: int, runs: int, seed: int
) -> Iterator[Cell]:
    """In an order in which those that see the same windows follow one another."""
    for name in streams:
        stream = STREAMS[name]
        able = {
            method: amount
            for method in methods
            if (amount := _clean_windows(stream, method, windows))
            and (method not in PLOTTED or name == PLOTTED_STREAM)
        }
        # Those that need rows last: the others have the same windows, as counts where that is
        # enough.
        able = dict(sorted(able.items(), key=lambda item: (reads_rows(METHODS[item[0]]), -item[1])))
        for method, amount in able.items():
            yield Cell("clean", name, method, amount, seed)
        for family, size in FAULTS:
            if not _has(stream, family):
                continue
            for method in able:
                amount = min(runs, RUNS_SLOW) if is_slow(method) else runs
                yield Cell("fault", name, method, amount, seed, family, size)


def is_slow(method: str) -> bool:
    return getattr(METHODS[method], "slow", False)


def _has(stream: Stream, family: Family) -> bool:
    if isinstance(stream, Pool) and family in stream.lacks:
        return False
    if family == "concept change":
        return isinstance(stream, Pool) and stream.changed is not None
    if family == "label flip":
        return isinstance(stream, Pool) and stream.rule is not None
    return True


def _clean_windows(stream: Stream, method: str, windows: int) -> int:
    """How many the method is given; 0 where it has not what it reads or would take too long."""
    kind = METHODS[method]
    if getattr(kind, "reads_outcomes", False):
        outcomes = isinstance(stream, Pool) and stream.rule is not None
        return min(windows, WITH_ROWS) if outcomes else 0
    if not getattr(kind, "reads_rows", False):
        return windows
    width = 50 if isinstance(stream, Mixture) else len(stream.contents("before").features)
    slow = is_slow(method)
    if width * stream.rows > (AFFORDABLE_SLOW if slow else AFFORDABLE):
        return 0
    return min(windows, WITH_ROWS_SLOW if slow else WITH_ROWS)
