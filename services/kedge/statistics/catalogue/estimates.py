"""How well the model does by its own scores, before labels come; and how good that guess was."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kedge.statistics.catalogue.entry import SHARE, Entry

_GROUP = "Performance without labels"
_SOURCE = "Białek et al., Estimating Model Performance Under Covariate Shift Without Labels, 2024"
_CBPE, _DLE = "of a score p by its calibrated value c (CBPE)", "by a model of the loss (DLE)"
_CLASSES = "; of several classes the mean over them of the same"
_SHARES = {
    "accuracy": "1/n Σ (c where predicted positive, 1 − c elsewhere); of several classes 1/n Σ c "
    "of the predicted one",
    "precision": "Σ c / rows, of the rows predicted positive" + _CLASSES,
    "recall": "Σ c of the rows predicted positive / Σ c" + _CLASSES,
    "f1": "2 Σ c of the rows predicted positive / (rows predicted positive + Σ c)" + _CLASSES,
    "roc_auc": "as `roc_auc` over c, each row c of a positive and 1 − c of a negative one",
    "brier": "1/n Σ (c (1 − p)² + (1 − c) p²)",
}
_LOSSES = {
    "log_loss": ("nats, 0 or more", _CBPE, "−1/n Σ (c ln p + (1 − c) ln(1 − p))"),
    "mae": ("0 or more, in the truth's unit", _DLE, "1/n Σ h(x, ŷ), h fitted to |ŷ − y|"),
    "rmse": ("0 or more, in the truth's unit", _DLE, "√(1/n Σ h(x, ŷ)), h fitted to (ŷ − y)²"),
}

RECONCILED = (*_SHARES, "log_loss")
"""Metrics whose estimate can be held against the labels."""


def _entries() -> Iterator[Entry]:
    for name, formula in _SHARES.items():
        yield _estimated(name, 1, SHARE, _CBPE, formula)
    for name, (unit, how, formula) in _LOSSES.items():
        yield _estimated(name, math.inf, unit, how, formula)
    for name in RECONCILED:
        most = 1 if name in _SHARES else math.inf
        unit = "a difference of shares: 0.1 for 10 percentage points" if most == 1 else "nats"
        yield Entry(
            name=f"estimation_error_{name}",
            group=_GROUP,
            of="window",
            low=-most,
            high=most,
            unit=f"{unit}, above 0 when too high",
            meaning=f"How far the estimate of `{name}` was off, by the rows whose label has come.",
            formula=f"estimated_{name} of these rows − {name}",
            part="performance",
        )
        yield Entry(
            name=f"mean_estimation_error_{name}",
            group=_GROUP,
            of="window",
            low=0,
            high=most,
            unit=unit,
            meaning=f"How far estimates of `{name}` have been off so far, on average over windows.",
            formula=f"Σ n |estimation_error_{name}| / Σ n over the release's base windows up to "
            "this one, n the labelled rows of each",
            part="performance",
        )


def _estimated(name: str, most: float, unit: str, how: str, formula: str) -> Entry:
    return Entry(
        name=f"estimated_{name}",
        group=_GROUP,
        of="window",
        low=0,
        high=most,
        unit=unit,
        meaning=f"Expected `{name}` {how}. `low` and `high` are three standard errors away.",
        formula=formula,
        source=_SOURCE,
    )


ENTRIES = tuple(_entries())
