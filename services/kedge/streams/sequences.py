"""Pure: what of a producer's numbered events arrived, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple


class Run(NamedTuple):
    """Events numbered without a gap: from `first` on, up to but not with `following`."""

    first: int
    following: int


def joined(runs: Iterable[Run]) -> list[Run]:
    """The same events in as few runs as can be, in order.

    >>> joined([Run(5, 9), Run(0, 3), Run(3, 4), Run(7, 8), Run(2, 2)])
    [Run(first=0, following=4), Run(first=5, following=9)]
    """
    found: list[Run] = []
    for run in sorted(runs):
        if run.first >= run.following:
            continue
        if found and run.first <= found[-1].following:
            found[-1] = Run(found[-1].first, max(found[-1].following, run.following))
        else:
            found.append(run)
    return found


def gaps(runs: Iterable[Run], *, from_start: bool) -> list[Run]:
    """What did not arrive before something later of the same producer did.

    Args:
        runs: what arrived, in any order, and however often.
        from_start: whether the producer's first events would be among it. Numbers begin at 0.

    >>> gaps([Run(10, 20), Run(25, 30)], from_start=True)
    [Run(first=0, following=10), Run(first=20, following=25)]
    """
    arrived = joined(runs)
    if from_start:
        arrived = [Run(0, 0), *arrived]
    return [
        Run(before.following, after.first)
        for before, after in pairwise(arrived)
        if before.following < after.first
    ]
