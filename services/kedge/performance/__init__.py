"""Pure: how well a model does, from joined outcomes, and before they come.

`concept_drift` is not imported here: river takes its time.
"""

from kedge.performance.cbpe import Cbpe, ExpectedScores
from kedge.performance.dle import Dle, ExpectedLosses
from kedge.performance.errors import errors_of
from kedge.performance.metrics import label_coverage, metrics
from kedge.performance.reconcile import reconcile
from kedge.performance.scores import Scores, no_scores, scores_from_json, scores_of
from kedge.performance.segments import SegmentPattern, segments_of
from kedge.performance.task import Task, compared_output, infer_task

__all__ = [
    "Cbpe",
    "Dle",
    "ExpectedLosses",
    "ExpectedScores",
    "Scores",
    "SegmentPattern",
    "Task",
    "compared_output",
    "errors_of",
    "infer_task",
    "label_coverage",
    "metrics",
    "no_scores",
    "reconcile",
    "scores_from_json",
    "scores_of",
    "segments_of",
]
