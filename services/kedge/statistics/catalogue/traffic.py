"""How many predictions there were, and how many of them raised."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import SHARE, Entry

ENTRIES = (
    Entry(
        name="rows",
        group="Traffic",
        of="window",
        low=0,
        high=math.inf,
        unit="a number of rows",
        meaning="Predictions in the window.",
        formula="count",
        is_count=True,
    ),
    Entry(
        name="error_rate",
        group="Traffic",
        of="window",
        low=0,
        high=1,
        unit=SHARE,
        meaning="Share of inferences that raised.",
        formula="errors / rows",
    ),
)
