"""How far a column's values are from the reference's."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import Entry

ENTRIES = (
    Entry(
        name="psi",
        group="Drift",
        of="column",
        low=0,
        high=math.inf,
        unit="0 or more: 0.1 is moderate, 0.25 is significant",
        meaning="Population stability index over the bins of the reference.",
        formula="Σ (p − q) ln(p / q), shares below 0.0001 taken as 0.0001",
        conventional="below 0.1 none, 0.1 to 0.25 moderate, above significant",
        source="Siddiqi, Credit Risk Scorecards, 2006",
    ),
    Entry(
        name="js_distance",
        group="Drift",
        of="column",
        low=0,
        high=1,
        unit="a distance from 0 to 1",
        meaning="Jensen–Shannon distance: 0 for the same shares, 1 for disjoint ones.",
        formula="√(½ KL(p ‖ m) + ½ KL(q ‖ m)), m = ½ (p + q), base 2",
        conventional="0.1",
        source="Endres and Schindelin, IEEE Trans. Inf. Theory 49(7), 2003",
    ),
)
