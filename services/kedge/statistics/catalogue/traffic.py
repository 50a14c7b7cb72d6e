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
        meaning="Share of inferences that raised; of one type of exception with `kind`.",
        formula="errors / rows",
        kinds=None,
    ),
    Entry(
        name="traffic_share",
        group="Traffic",
        of="window",
        low=0,
        high=1,
        unit=SHARE,
        meaning="The release's share of the rows of all releases of the model there.",
        formula="rows / rows of all releases, as known when the window is published",
    ),
    Entry(
        name="volume_ratio",
        group="Traffic",
        of="window",
        low=0,
        high=math.inf,
        unit="a ratio: 1 as expected, 0.5 for half of it, 0 for none",
        meaning="Rows of all releases against what the windows before let expect.",
        formula="rows of all releases / median of that in the 30 base windows before, 5 at least",
        is_count=True,
    ),
)
