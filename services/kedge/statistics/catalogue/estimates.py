"""How well the model does by its own scores, before labels come; and how good that guess was."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kedge.statistics.catalogue.entry import SHARE, Entry

_SOURCE = "Białek et al., Estimating Model Performance Under Covariate Shift Without Labels, 2024"
_FORMULAS = {
    "accuracy": "1/n Σ (c where predicted positive, 1 − c elsewhere)",
    "precision": "Σ c / rows, of the rows predicted positive",
    "recall": "Σ c of the rows predicted positive / Σ c",
    "f1": "2 Σ c of the rows predicted positive / (rows predicted positive + Σ c)",
    "roc_auc": "as `roc_auc`, each row c of a positive and 1 − c of a negative one",
}
_LOSSES = {
    "mae": "1/n Σ h(x, ŷ), h fitted to |ŷ − y|",
    "rmse": "√(1/n Σ h(x, ŷ)), h fitted to (ŷ − y)²",
}


def _entries() -> Iterator[Entry]:
    for name, formula in _FORMULAS.items():
        yield Entry(
            name=f"estimated_{name}",
            group="Performance without labels",
            of="window",
            low=0,
            high=1,
            unit=SHARE,
            meaning=f"Expected `{name}` of a binary score by its calibrated value c (CBPE).",
            formula=formula,
            source=_SOURCE,
            segmented=True,
        )
    for name in _FORMULAS:
        yield Entry(
            name=f"estimation_error_{name}",
            group="Performance without labels",
            of="window",
            low=-1,
            high=1,
            unit="a difference of shares: 0.1 for 10 percentage points too high",
            meaning=f"How far the estimate of `{name}` was off, once labels have come.",
            formula=f"estimated_{name} − {name}",
            segmented=True,
        )
    for name, formula in _LOSSES.items():
        yield Entry(
            name=f"estimated_{name}",
            group="Performance without labels",
            of="window",
            low=0,
            high=math.inf,
            unit="0 or more, in the truth's unit",
            meaning=f"Expected `{name}`, by a model of the loss on the reference (DLE).",
            formula=formula,
            source=_SOURCE,
            segmented=True,
        )
        yield Entry(
            name=f"estimation_error_{name}",
            group="Performance without labels",
            of="window",
            low=-math.inf,
            high=math.inf,
            unit="in the truth's unit, above 0 when too high",
            meaning=f"How far the estimate of `{name}` was off, once labels have come.",
            formula=f"estimated_{name} − {name}",
            segmented=True,
        )


ENTRIES = tuple(_entries())
