"""What the evidence is worth: time to a false alarm, delay, and cost. Prints Markdown.

    python tests/benchmarks/bench_evidence.py [--windows 5000] [--runs 12] [only]

50 numeric features of ten bins, 2 % of each missing; alarm at 1000. `only` is a part of a case's
name. Seeded: the same command prints the same numbers, but for the times.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np

from kedge.profile import Bins, ColumnSpec, Profile, Reference, ReferenceColumn
from kedge.statistics import Evidence

FEATURES, BINS, ALARM = 50, 10, 1000.0
HOUR = 3_600_000_000
NO_SUMS = (np.empty(0, np.int64),) * FEATURES
EVEN = np.full((FEATURES, BINS), 1 / BINS)
SLOPE = np.linspace(-1, 1, BINS)


def reference(rng, rows):
    counts, missing = _counts(rng, rows, EVEN, np.full(FEATURES, 0.02 if rows else 0.0))
    return Reference(
        rows,
        tuple(
            ReferenceColumn(
                ColumnSpec(f"x{i}", "feature", "numeric"), Bins(np.arange(BINS - 1.0)), *each
            )
            for i, each in enumerate(zip(counts, missing, strict=True))
        ),
    )


def _counts(rng, rows, shares, missing_rates):
    none = rng.binomial(rows, missing_rates)
    missing = np.zeros((FEATURES, 8), np.int64)
    missing[:, 1] = none
    return rng.multinomial(rows - none, shares), missing


def profile(rng, rows, shares, missing_rates=0.02):
    counts, missing = _counts(rng, rows, shares, np.full(FEATURES, missing_rates))
    return Profile(rows, 0, tuple(counts), missing, NO_SUMS)


def varying(rng, shares, phi):
    """Shares that differ from window to window: Dirichlet of this concentration."""
    draws = rng.standard_gamma(phi * shares)
    return draws / draws.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Clean:
    """A stream in which nothing happens."""

    name: str
    rows: int
    reference: int = 100_000
    phi: float = np.inf
    kind: str = ""
    size: float = 0.0
    persistence: float = 0.0

    def windows(self, rng):
        """Profiles without end."""
        tilts, hour = np.zeros(FEATURES), 0
        while True:
            shares = EVEN
            if self.kind == "daily rhythm":
                shares = EVEN * (1 + 0.5 * np.sin(2 * np.pi * hour / 24) * SLOPE)
            elif self.size:
                noise = rng.standard_normal(1 if self.kind == "one mood for all" else FEATURES)
                persistence = self.persistence
                tilts = persistence * tilts + self.size * np.sqrt(1 - persistence**2) * noise
                shares = EVEN * np.clip(1 + tilts[:, None] * SLOPE, 0.05, None)
            shares = shares / shares.sum(axis=1, keepdims=True)
            if np.isfinite(self.phi):
                shares = varying(rng, shares, self.phi)
            burst = self.kind == "bursts" and hour % 120 >= 100
            found = profile(rng, self.rows * (10 if burst else 1), shares)
            if self.kind == "copies":
                first = found.counts[:1] * FEATURES, np.repeat(found.missing[:1], FEATURES, axis=0)
                found = Profile(found.rows, 0, *first, NO_SUMS)
            yield found
            hour += 1

    @property
    def options(self):
        return {"season": (24, HOUR)} if self.kind == "daily rhythm" else {}


CLEAN = [
    *(Clean("independent rows", n) for n in (20, 200, 2000)),
    *(Clean("reference of 1,000", n, 1000) for n in (20, 200, 2000)),
    *(Clean("no reference", n, 0) for n in (20, 200, 2000)),
    *(Clean("variation φ = 1000", n, phi=1000.0) for n in (20, 200, 2000)),
    *(Clean("variation φ = 70", n, phi=70.0) for n in (20, 200, 2000)),
    *(Clean("daily rhythm, learned", n, kind="daily rhythm") for n in (20, 200, 2000)),
    *(Clean("all features the same", n, kind="copies") for n in (20, 200, 2000)),
    *(Clean("one mood for all", n, kind="one mood for all", size=0.15) for n in (20, 200, 2000)),
    *(
        Clean("moods, bursts of ten times the rows", n, kind="bursts", size=0.1)
        for n in (20, 200, 2000)
    ),
    *(
        Clean("variation φ = 70, bursts of ten times the rows", n, kind="bursts", phi=70.0)
        for n in (20, 200)
    ),
    *(
        Clean(
            f"wander of {size:g}, autocorrelation {persistence:g}",
            n,
            kind="wander",
            size=size,
            persistence=persistence,
        )
        for size, persistence in ((0.1, 0.9), (0.1, 0.98), (0.3, 0.9), (0.3, 0.98))
        for n in (20, 200, 2000)
    ),
]


def run_length(case, windows, seed=7):
    """Alarms (each until the evidence falls again), windows in alarm, CPU-ms a window."""
    rng = np.random.default_rng(seed)
    evidence, stream = Evidence(reference(rng, case.reference), **case.options), case.windows(rng)
    alarms, spent, above, took = 0, 0, False, 0.0
    for hour in range(windows):
        found = next(stream)
        before = time.process_time()
        value = evidence.observe(found, hour * HOUR)[0].value
        took += time.process_time() - before
        alarms += value > ALARM and not above
        above = value > ALARM
        spent += above
    return alarms, spent, 1000 * took / windows


def delay(rows, tilt, seed, *, missing=0.02, phi=np.inf, calm=50, most=200):
    """Windows from the onset to the alarm, of one feature of 50; and by how many windows the
    interval of the onset that is told with the alarm misses it, 0 where it holds it."""
    rng = np.random.default_rng(seed)
    evidence = Evidence(reference(rng, 100_000))
    after = EVEN.copy()
    after[0] *= 1 + tilt * SLOPE
    rates = np.full(FEATURES, 0.02)
    for hour in range(calm + most):
        changed = hour >= calm
        shares = after if changed else EVEN
        rates[0] = missing if changed else 0.02
        shares = varying(rng, shares, phi) if np.isfinite(phi) else shares
        told = evidence.observe(profile(rng, rows, shares, rates), hour * HOUR)
        if changed and told[0].value > ALARM:
            earliest, latest = (
                next(s.value for s in told if s.name == name) * 1e6 / HOUR
                for name in ("onset_earliest", "onset_latest")
            )
            return hour - calm + 1, max(earliest - calm, calm - latest, 0.0)
    return np.inf, np.inf


def informed(variance, seed, *, features=FEATURES, slope=0.02, calm=30, most=60):
    """Windows until who knows the slope of a drift, and not in which feature nor since when, is as
    sure: the mean over features of the sum over onsets of exact likelihood ratios.

    Args:
        variance: of the mean of a window's rows, in those of a row.
        seed: of the simulation.
        features: that it may be in.
        slope: how much the mean of one rises in each window, in standard deviations of a row.
        calm: windows before.
        most: windows of drift.
    """
    rng = np.random.default_rng(seed)
    means = rng.normal(scale=np.sqrt(variance), size=(features, calm + most))
    means[0, calm:] += slope * np.arange(1, most + 1)
    for last in range(calm, calm + most):
        seen = means[:, : last + 1]
        risen = slope * np.arange(1, last + 2)
        # An onset that was `age` windows ago has the last ones of these as its ramp.
        logs = [
            (seen[:, -age:] @ risen[:age] - risen[:age] @ risen[:age] / 2) / variance
            for age in range(1, last + 2)
        ]
        if np.exp(logs).sum(axis=0).mean() >= ALARM:
            return last - calm + 1
    return np.inf


DELAYS = [
    *((20, tilt, {}) for tilt in (0.4, 0.8)),
    *((200, tilt, {}) for tilt in (0.2, 0.4, 0.8)),
    *((2000, tilt, {}) for tilt in (0.1, 0.2)),
    (2000, 0.2, {"phi": 2000.0}),
    (20, 0.0, {"missing": 0.2}),
    (200, 0.0, {"missing": 0.1}),
    (2000, 0.0, {"missing": 0.05}),
]


def _say(text, **how):
    print(text, **how)  # noqa: T201 - what it is run for


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("only", nargs="?", default="")
    options = parser.parse_args()
    _say(
        "| clean stream | rows | windows | alarms | allowed | windows in alarm | CPU-ms a window |"
    )
    _say("|---|---|---|---|---|---|---|")
    for case in CLEAN:
        if options.only in case.name:
            alarms, spent, took = run_length(case, options.windows)
            allowed = f"{options.windows / ALARM:g}"
            _say(
                f"| {case.name} | {case.rows} | {options.windows} | {alarms} | {allowed} | "
                f"{spent} | {took:.2f} |",
                flush=True,
            )
    if options.only in "informed":
        _say("\n| variance of a window's mean | knows the slope | the feature too |\n|---|---|---|")
        for variance in (1 / 20, 1 / 200, 1 / 200 + 0.05**2):
            of_all, of_one = (
                [informed(variance, seed, features=n) for seed in range(20 * options.runs)]
                for n in (FEATURES, 1)
            )
            _say(f"| {variance:g} | {np.median(of_all):g} | {np.median(of_one):g} |", flush=True)
    if options.only not in "delay":
        return
    _say("\n| rows | tilt | | median delay | worst | onset held | within a window |")
    _say("|---|---|---|---|---|---|---|")
    for rows, tilt, more in DELAYS:
        found, missed = zip(
            *(delay(rows, tilt, seed, **more) for seed in range(options.runs)), strict=True
        )
        held, nearly = np.mean(np.array(missed) == 0), np.mean(np.array(missed) <= 1)
        says = ", ".join(f"{key} {value:g}" for key, value in more.items())
        _say(
            f"| {rows} | {tilt} | {says} | {np.median(found):g} | {max(found):g} | {held:.0%} | "
            f"{nearly:.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
