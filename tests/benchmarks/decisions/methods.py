"""The methods by the names that tables have."""

from __future__ import annotations

from typing import Any, Protocol

from benchmarks.decisions.detectors import AdwinOnErrors, AdwinPerFeature, KswinPerFeature
from benchmarks.decisions.evidence import Kedge100, Kedge10000, KedgeEvidence
from benchmarks.decisions.rules import (
    AlwaysFire,
    EvidentlyColumn,
    EvidentlyPreset,
    NannymlSigmas,
    Psi,
    SmallestP,
)
from benchmarks.decisions.windows import Past, Window


class Method(Protocol):
    """Made from the past; there is an alarm when a score is `threshold` or more.

    A method that is `stateful` starts anew after an alarm, as monitoring does once an alarm is
    dealt with. One that `reads_rows` needs more than counts, one that `reads_outcomes` needs what
    came true, and a `slow` one gets few windows.
    """

    threshold: float
    stateful: bool

    def __init__(self, past: Past) -> None: ...

    def observe(self, window: Window) -> float: ...


KEDGE = "Kedge"
ERRORS = "ADWIN on errors"
METHODS: dict[str, Any] = {
    KEDGE: KedgeEvidence,
    "PSI 0.2": Psi,
    "KS p 0.05": SmallestP,
    "Evidently preset": EvidentlyPreset,
    "Evidently column": EvidentlyColumn,
    "NannyML 3 sigma": NannymlSigmas,
    "ADWIN": AdwinPerFeature,
    "KSWIN": KswinPerFeature,
    ERRORS: AdwinOnErrors,
    "always fire": AlwaysFire,
    "Kedge 100": Kedge100,
    "Kedge 10000": Kedge10000,
}
# Rules on one window, whose threshold an oracle can set.
RULES = ("PSI 0.2", "KS p 0.05", "Evidently column", "NannyML 3 sigma")
# What is only for the plot.
PLOTTED = ("Kedge 100", "Kedge 10000")
