"""Whether what is seen can be chance, and since when it is not."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import Entry

_TIME = "seconds since 1970 UTC"
_MARGIN = "two standard deviations of the onset under its weights"

ENTRIES = (
    Entry(
        name="evidence",
        group="Evidence of change",
        of="window",
        low=0,
        high=math.inf,
        unit="0 or more: on average, so many windows pass until it is reached without a change",
        meaning="Evidence, in all columns together, that windows differ from the reference and "
        "from each other by more than chance and habit; see [evidence](evidence.md). Columns have "
        "one too, which tells what each contributes.",
        formula="mean of R over columns, questions and experts; R ← 0.98 R e + (e + f)/2",
        conventional="1000; more for more models or more rules",
        # Of how many rows a window is, is in it.
        is_count=True,
        source="Shin, Ramdas and Rinaldo, E-detectors, arXiv 2203.03532",
    ),
    Entry(
        name="onset",
        group="Evidence of change",
        of="window",
        low=0,
        high=math.inf,
        unit=_TIME,
        meaning="When the change began that the column with the most evidence shows.",
        formula="mean of the onsets, weighted by their terms in R",
    ),
    Entry(
        name="onset_earliest",
        group="Evidence of change",
        of="window",
        low=0,
        high=math.inf,
        unit=_TIME,
        meaning="When it began at the earliest.",
        formula=f"onset − {_MARGIN}",
    ),
    Entry(
        name="onset_latest",
        group="Evidence of change",
        of="window",
        low=0,
        high=math.inf,
        unit=_TIME,
        meaning="When it began at the latest.",
        formula=f"onset + {_MARGIN}",
    ),
)
