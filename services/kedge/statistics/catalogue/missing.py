"""Rows without a usable value."""

from __future__ import annotations

from kedge.profile import KINDS
from kedge.statistics.catalogue.entry import SHARE, Entry

ENTRIES = (
    Entry(
        name="missing_rate",
        group="Missing inputs",
        of="column",
        low=0,
        high=1,
        unit=SHARE,
        meaning="Share of rows without a usable value; of one kind with `kind`, else of all kinds.",
        formula="missing / rows",
        kinds=KINDS,
    ),
    Entry(
        name="missing_increase",
        group="Missing inputs",
        of="column",
        low=-1,
        high=1,
        unit="a difference of shares: 0.1 for 10 percentage points",
        meaning="That share, all kinds together, less the reference's.",
        formula="missing / rows − missing_ref / rows_ref",
    ),
    Entry(
        name="missing_together",
        group="Missing inputs",
        of="window",
        low=-1,
        high=1,
        unit="a difference of shares: 0.1 for 10 percentage points",
        meaning="Share of rows in which a group of features is missing together, less the "
        "reference's; of the largest group, which the note names. A group is lacking as a whole in "
        "half the rows or more that lack one of it: one upstream feed, most likely.",
        formula="rows that lack all of the group / rows − the same of the reference",
    ),
)
