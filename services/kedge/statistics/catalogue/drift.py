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
    Entry(
        name="hellinger",
        group="Drift",
        of="column",
        low=0,
        high=1,
        unit="a distance from 0 to 1",
        meaning="Hellinger distance: 0 for the same shares, 1 for disjoint ones.",
        formula="√(½ Σ (√p − √q)²)",
        conventional="0.15 some, 0.4 significant (whylogs)",
        source="Hellinger, J. reine angew. Math. 136, 1909",
    ),
    Entry(
        name="l_infinity",
        group="Drift",
        of="column",
        low=0,
        high=1,
        unit="a difference of shares: 0.1 for 10 percentage points",
        meaning="The largest change of a single bin's share.",
        formula="largest size of p − q",
    ),
    Entry(
        name="chi_squared",
        group="Drift",
        of="column",
        low=0,
        high=math.inf,
        unit="0 or more: about 1 with nothing changed, and growing with the rows else",
        meaning="Pearson's χ² of window and reference, per degree of freedom. It is evidence that "
        "there is a change, not its size.",
        formula="Σ (observed − expected)² / expected / (bins that are not empty − 1)",
        conventional="1.88 is p = 0.05 with ten bins, for one look at one column",
        source="Pearson, Philosophical Magazine 50, 1900",
    ),
    Entry(
        name="distinct",
        group="Drift",
        of="column",
        low=0,
        high=math.inf,
        unit="a number of categories",
        meaning="Distinct categories of a categorical column. Of more than 50 categories it is an "
        "estimate, and `low` and `high` are three standard errors away, 9.75 %; of a column that "
        "the reference has a bin for each category of, they allow for unseen ones.",
        formula="HyperLogLog, 1,024 registers, merged exactly; Ertl's estimator",
        source="Flajolet et al., HyperLogLog, AofA 2007; Ertl, arXiv 1702.01284",
    ),
    Entry(
        name="ks",
        group="Drift",
        of="column",
        low=0,
        high=1,
        unit="a difference of shares: 0.1 for 10 percentage points",
        meaning="Kolmogorov–Smirnov distance of columns with an order. What the raw values would "
        "give is between `low` and `high`.",
        formula="largest size of F − G, the cumulative shares at the edges of the bins",
        source="Smirnov, Ann. Math. Stat. 19(2), 1948",
    ),
    Entry(
        name="wasserstein",
        group="Drift",
        of="column",
        low=0,
        high=math.inf,
        unit="reference standard deviations: 0.1 for a tenth of one",
        meaning="Wasserstein distance of numeric columns: how far values have moved on average. "
        "What the raw values would give is between `low` and `high`; values beyond 1,024 standard "
        "deviations count as there.",
        formula="area between F and G, in units of σ_ref, from the bins' counts and sums",
        conventional="0.1 (Evidently)",
        source="Ramdas, Trillos and Cuturi, Entropy 19(2), 2017",
    ),
    Entry(
        name="mean_shift",
        group="Drift",
        of="column",
        low=-math.inf,
        high=math.inf,
        unit="reference standard deviations: 0.1 for a tenth of one, −0.1 for as much less",
        meaning="How far the mean of a numeric column has moved, and which way.",
        formula="(mean − mean_ref) / σ_ref",
        conventional="0.2 small, 0.5 medium, 0.8 large",
        source="Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988",
    ),
    Entry(
        name="mmd",
        group="Drift",
        of="column",
        low=0,
        high=math.sqrt(2),
        unit="a distance from 0 to 1.41",
        meaning="Maximum mean discrepancy of vectors: whether their distribution has changed in "
        "any way, by 64 random features of a Gaussian kernel.",
        formula="√(‖mean features − mean features_ref‖² − what chance brings), 0 where that is "
        "negative; bandwidth by the median heuristic",
        source="Gretton et al., J. Mach. Learn. Res. 13, 2012; Rahimi and Recht, NIPS 2007",
    ),
    Entry(
        name="dimension_shift",
        group="Drift",
        of="column",
        low=0,
        high=math.inf,
        unit="reference standard deviations: 0.1 for a tenth of one",
        meaning="How far the mean of a vector's dimension has moved, of the one that has moved "
        "most. The note says which, and how far chance would move it.",
        formula="largest size of (mean − mean_ref) / σ_ref over the dimensions",
        conventional="0.2 small, 0.5 medium, 0.8 large",
        source="Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988",
    ),
    Entry(
        name="reconstruction_error",
        group="Drift",
        of="window",
        low=-math.inf,
        high=math.inf,
        unit="reference standard deviations of a row's error: 0.1 for a tenth of one",
        meaning="Whether the numeric features still fit together: how much more is lost than in "
        "the reference when the principal components of the reference, that explain 65 % of its "
        "variance, describe the rows. Missing values are taken as the mean; of more than 100 "
        "features, the first 100 are looked at.",
        formula="(mean of ‖x − projection of x‖ − the same of the reference) / its σ over rows",
        source="NannyML, Multivariate drift: data reconstruction with PCA",
    ),
)
