"""Every statistic that Kedge publishes: what it means, its unit, its formula and its source.

A policy may name what stands here, and nothing else; `docs/statistics.md` is made from it.
"""

from kedge.statistics.catalogue import (
    conservation,
    drift,
    estimates,
    evidence,
    latency,
    missing,
    performance,
    traffic,
    trends,
)
from kedge.statistics.catalogue.entry import Entry, as_markdown
from kedge.statistics.catalogue.estimates import RECONCILED

CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        *traffic.ENTRIES,
        *latency.ENTRIES,
        *missing.ENTRIES,
        *drift.ENTRIES,
        *trends.ENTRIES,
        *evidence.ENTRIES,
        *performance.ENTRIES,
        *estimates.ENTRIES,
        *conservation.ENTRIES,
    )
}
"""By name, in the order in which they are documented."""

__all__ = ["CATALOGUE", "RECONCILED", "Entry", "as_markdown"]
