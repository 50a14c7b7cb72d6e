"""Whether predictions are lost or come twice, on the way or in Kedge."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import Entry


def _count(name: str, meaning: str, formula: str) -> Entry:
    return Entry(
        name=name,
        group="Conservation",
        of="window",
        low=0,
        high=math.inf,
        unit="a number of predictions",
        meaning=meaning,
        formula=formula,
        source="[Conservation](conservation.md)",
        clock="broker",
        is_count=True,
    )


ENTRIES = (
    _count(
        "predictions_received",
        "Predictions in messages that can be read.",
        "sum over the accounts of the window",
    ),
    _count(
        "predictions_missing",
        "Numbers of producers that have not arrived though later ones have, at the window's end.",
        "numbers lacking for KEDGE_STREAM__MISSING_GRACE seconds, "
        "not yet for KEDGE_STREAM__MISSING_GIVEN_UP",
    ),
    _count(
        "predictions_dropped",
        "Predictions that SDKs told they had dropped before sending.",
        "increase of the producers' own counts",
    ),
    _count(
        "predictions_dead_lettered",
        "Predictions given up as dead letters, late ones apart.",
        "sum over the accounts of the window",
    ),
    _count(
        "predictions_duplicate",
        "Predictions that had been counted before, and are not counted again.",
        "sum over the accounts of the window",
    ),
    _count(
        "predictions_late",
        "Predictions whose window had become final; no other statistic has them.",
        "sum over the accounts of the window",
    ),
)
