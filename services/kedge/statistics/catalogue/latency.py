"""How long inferences take."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import Entry

_SKETCH = "Masson, Rim and Lee, DDSketch, PVLDB 12(12), 2019"


def _quantile(name: str, percent: int) -> Entry:
    return Entry(
        name=name,
        group="Latency",
        of="window",
        low=0,
        high=math.inf,
        unit="milliseconds",
        meaning=f"Latency that {percent} % of the predictions with a latency do not exceed.",
        formula=f"value of rank ⌊{percent / 100:g} (n − 1)⌋, off by 2 % of itself at most",
        source=_SKETCH,
    )


ENTRIES = (
    _quantile("latency_p50", 50),
    _quantile("latency_p95", 95),
    _quantile("latency_p99", 99),
)
