"""Whether a column creeps or has jumped."""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import Entry

_WINDOWS = "base windows, the newest 31 or all of a longer window"
_SOURCE = (
    "Schwarz, Ann. Stat. 6(2), 1978; Yao, Stat. Probab. Lett. 6(3), 1988; Kass and Raftery, "
    "J. Am. Stat. Assoc. 90, 1995"
)
_ZERO = "0 where another model explains the windows better, as the note says"

ENTRIES = (
    Entry(
        name="trend",
        group="Trends and steps",
        of="column",
        low=-math.inf,
        high=math.inf,
        unit="reference standard deviations a day, negative for falling",
        meaning="How fast the mean of a numeric column creeps, where a line explains its windows "
        f"better than no change or a step; {_ZERO}. `low` and `high` are three standard errors "
        "away.",
        formula=f"slope of a line through the means of {_WINDOWS}, weighted by rows",
        source=_SOURCE,
    ),
    Entry(
        name="step",
        group="Trends and steps",
        of="column",
        low=-math.inf,
        high=math.inf,
        unit="reference standard deviations: 0.1 for a tenth of one, −0.1 for as much less",
        meaning="How far the mean of a numeric column has jumped, where a single step explains its "
        f"windows better than no change or a line; {_ZERO}. The note says since when.",
        formula="mean after − mean before, at the place with the least squares that has 3 windows "
        "on either side",
        conventional="0.2 small, 0.5 medium, 0.8 large",
        source=_SOURCE,
    ),
    Entry(
        name="missing_trend",
        group="Trends and steps",
        of="column",
        low=-math.inf,
        high=math.inf,
        unit="a difference of shares a day: 0.1 for 10 percentage points",
        meaning="The same of the share of rows without a usable value, all kinds together.",
        formula="slope of a line through the shares; the models are compared on 2 arcsin √share",
        source=f"{_SOURCE}; Anscombe, Biometrika 35, 1948",
    ),
    Entry(
        name="missing_step",
        group="Trends and steps",
        of="column",
        low=-1,
        high=1,
        unit="a difference of shares: 0.1 for 10 percentage points",
        meaning="How far that share has jumped.",
        formula="share after − share before",
        source=f"{_SOURCE}; Anscombe, Biometrika 35, 1948",
    ),
)
