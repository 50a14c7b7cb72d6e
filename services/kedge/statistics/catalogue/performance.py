"""How well the model does, from predictions that are joined with their truth.

ŷ is the output, y the truth, p the score of the positive class, n the joined rows.
"""

from __future__ import annotations

import math

from kedge.statistics.catalogue.entry import SHARE, Entry

_CLASSES = "Sokolova and Lapalme, Inf. Process. Manag. 45(4), 2009"


def _metric(
    name: str,
    meaning: str,
    formula: str,
    *,
    unit: str = SHARE,
    low: float = 0,
    high: float = 1,
    source: str = "",
) -> Entry:
    return Entry(
        name=name,
        group="Performance",
        of="window",
        low=low,
        high=high,
        unit=unit,
        meaning=meaning,
        formula=formula,
        source=source,
        part="performance",
        segmented=True,
    )


ENTRIES = (
    _metric(
        "label_coverage",
        "Share of the window's predictions whose outcome has come.",
        "joined / predictions",
    ),
    _metric("accuracy", "Share of rows whose class is right.", "right / n", source=_CLASSES),
    _metric(
        "precision",
        "Share of the rows predicted positive that are; of several classes the mean.",
        "TP / (TP + FP)",
        source=_CLASSES,
    ),
    _metric(
        "recall",
        "Share of the positive rows that are predicted so; of several classes the mean.",
        "TP / (TP + FN)",
        source=_CLASSES,
    ),
    _metric(
        "f1",
        "Harmonic mean of precision and recall; of several classes the mean of theirs.",
        "2 TP / (2 TP + FP + FN)",
        source=_CLASSES,
    ),
    _metric(
        "roc_auc",
        "Share of pairs of a positive and a negative row in which the positive has the higher "
        "score; from 1024 bins, the error of which its note states.",
        "(Σ pairs in order + ½ Σ ties) / (positives · negatives)",
        unit="a share of pairs: 0.5 is no better than chance",
        source="Hanley and McNeil, Radiology 143(1), 1982",
    ),
    _metric(
        "log_loss",
        "Mean surprise at the true class.",
        "−1/n Σ ln(p if y else 1 − p), p within 2⁻⁵² of 0 and 1 taken as that",
        unit="nats, 0 or more: 0.69 is what p = ½ gives",
        high=math.inf,
        source="Good, J. R. Stat. Soc. B 14(1), 1952",
    ),
    _metric(
        "brier",
        "Mean squared error of the score.",
        "1/n Σ (p − y)²",
        unit="from 0 to 1: 0.25 is what p = ½ gives",
        source="Brier, Mon. Weather Rev. 78(1), 1950",
    ),
    _metric(
        "calibration_error",
        "Expected calibration error: how far scores are from the share of positives among them.",
        "1/n Σ |Σ p − Σ y| over ten equal bins of p",
        source="Guo et al., On Calibration of Modern Neural Networks, ICML 2017",
    ),
    _metric(
        "mae",
        "Mean absolute error.",
        "1/n Σ |ŷ − y|",
        unit="0 or more, in the truth's unit",
        high=math.inf,
    ),
    _metric(
        "rmse",
        "Root mean squared error.",
        "√(1/n Σ (ŷ − y)²)",
        unit="0 or more, in the truth's unit",
        high=math.inf,
    ),
    _metric(
        "mape",
        "Mean absolute error as a share of the truth; rows whose truth is 0 are left out.",
        "1/m Σ |(ŷ − y) / y| over the m rows with y ≠ 0",
        unit="0 or more: 0.1 for 10 %",
        high=math.inf,
    ),
    _metric(
        "r2",
        "Coefficient of determination.",
        "1 − Σ (ŷ − y)² / Σ (y − ȳ)²",
        unit="at most 1: 0 is what the mean truth gives",
        low=-math.inf,
    ),
    _metric(
        "bias",
        "Mean error: above 0, the model predicts too high.",
        "1/n Σ (ŷ − y)",
        unit="in the truth's unit",
        low=-math.inf,
        high=math.inf,
    ),
    Entry(
        name="concept_drift",
        group="Performance",
        of="window",
        low=0,
        high=math.inf,
        unit="a number of detections",
        meaning="How often a detector on the error stream found that errors have become more; "
        "`kind` names the detector, adwin by default.",
        formula="see [performance](performance.md)",
        source="Bifet and Gavaldà, Learning from Time-Changing Data with Adaptive Windowing, "
        "SDM 2007, for the default detector",
        part="performance",
        kinds=("adwin", "page_hinkley", "kswin", "ddm", "hddm_a", "hddm_w"),
        usual_kind="adwin",
    ),
)
