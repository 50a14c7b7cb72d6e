"""How a release runs, as statistics of a window: latency, errors by type, and traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from kedge.profile import RELATIVE_ERROR, Operations, Profile
from kedge.statistics.statistic import Statistic

QUANTILES = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}

WINDOWS_BEFORE = 30
"""Windows that say how many rows are to be expected."""

FEWEST_WINDOWS_BEFORE = 5


@dataclass(frozen=True, slots=True)
class Traffic:
    """The rows of all releases of a model in one environment.

    Attributes:
        rows: in the window.
        before: in each of the base windows before it, `WINDOWS_BEFORE` at most; None where the
            window is longer than these.
    """

    rows: int
    before: tuple[int, ...] | None


def operational_statistics(profile: Profile, traffic: Traffic) -> Iterator[Statistic]:
    """Latency quantiles, error rates by type, and traffic: see the catalogue."""
    yield from _latencies(profile.operations, profile.rows)
    for error, count in profile.operations.errors.items():
        rate = count / profile.rows
        yield Statistic("error_rate", rate, profile.rows, kind=error)
    yield _share(profile.rows, traffic)
    yield _volume(traffic)


def _latencies(operations: Operations, rows: int) -> Iterator[Statistic]:
    timed, unusable = operations.timed, operations.unusable
    said = [f"within {RELATIVE_ERROR:.0%} of the exact value"] if timed else []
    if unknown := rows - timed - unusable:
        said.append(f"{unknown} of {rows} rows have no latency")
    if unusable:
        said.append(f"{unusable} of {rows} rows have one that can't be")
    note = "; ".join(said) or "no rows in the window"
    for name, q in QUANTILES.items():
        yield Statistic(name, operations.quantile(q), timed, note=note)


def _share(rows: int, traffic: Traffic) -> Statistic:
    if not traffic.rows:
        return Statistic("traffic_share", None, 0, note="no rows of any release in the window")
    return Statistic("traffic_share", rows / traffic.rows, traffic.rows)


def _volume(traffic: Traffic) -> Statistic:
    value, note = None, None
    if traffic.before is None:
        note = "of base windows only"
    elif len(traffic.before) < FEWEST_WINDOWS_BEFORE:
        note = f"{len(traffic.before)} windows before it, {FEWEST_WINDOWS_BEFORE} are needed"
    elif not (expected := median(traffic.before)):
        note = "no rows are expected: the median of the windows before is 0"
    else:
        value = traffic.rows / expected
    return Statistic("volume_ratio", value, traffic.rows, note=note)
