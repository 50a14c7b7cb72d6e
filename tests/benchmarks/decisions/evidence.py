"""Kedge's own: the model's evidence, an e-detector over all columns together."""

from __future__ import annotations

import copy
import math
from functools import lru_cache
from typing import ClassVar

from benchmarks.decisions.windows import HOUR, Past, Window
from kedge.statistics.evidence import Evidence


class KedgeEvidence:
    """Alarms when the evidence reaches the run length that is configured, in windows.

    Where the stream has a rhythm its season is given, and the slots are learnt from the past's
    windows; else the past is the reference alone.
    """

    threshold: ClassVar = 1000.0
    stateful: ClassVar = True

    def __init__(self, past: Past) -> None:
        self._evidence = copy.deepcopy(_learnt(past))

    def observe(self, window: Window) -> float:
        for statistic in self._evidence.observe(window.profile, window.start):
            if statistic.name == "evidence" and statistic.column is None:
                return -math.inf if statistic.value is None else statistic.value
        raise AssertionError("no evidence on the model among the statistics")


@lru_cache(maxsize=16)
def _learnt(past: Past) -> Evidence:
    season = None if past.season is None else (past.season, HOUR)
    evidence = Evidence(past.reference, season=season)
    for window in past.windows if season else ():
        evidence.observe(window.profile, window.start)
    return evidence


class Kedge100(KedgeEvidence):
    """The same, asked for 100 windows: a point of the plot."""

    threshold: ClassVar = 100.0


class Kedge10000(KedgeEvidence):
    """The same, asked for 10,000 windows."""

    threshold: ClassVar = 10_000.0
