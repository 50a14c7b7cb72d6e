"""How well the model does by its own scores, before labels come; and how good that guess was."""

from __future__ import annotations

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


ENTRIES = tuple(_entries())
