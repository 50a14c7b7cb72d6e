"""Pure: how well a model does, from joined outcomes, and before they come.

`concept_drift` is not imported here: river takes its time.
"""

from kedge.performance.cbpe import Cbpe
from kedge.performance.cbpe_classes import ClassCbpe
from kedge.performance.dle import Dle
from kedge.performance.errors import errors_of
from kedge.performance.estimator import (
    AnyEstimator,
    estimates,
    estimator_of,
    registered_task,
    with_estimator,
)
from kedge.performance.metrics import label_coverage, metrics
from kedge.performance.reconcile import TrackRecord, reconcile
from kedge.performance.scores import Scores, no_scores, scores_from_json, scores_of
from kedge.performance.segments import SegmentPattern, segments_of
from kedge.performance.task import Task, compared_output, infer_task

__all__ = [
    "AnyEstimator",
    "Cbpe",
    "ClassCbpe",
    "Dle",
    "Scores",
    "SegmentPattern",
    "Task",
    "TrackRecord",
    "compared_output",
    "errors_of",
    "estimates",
    "estimator_of",
    "infer_task",
    "label_coverage",
    "metrics",
    "no_scores",
    "reconcile",
    "registered_task",
    "scores_from_json",
    "scores_of",
    "segments_of",
    "with_estimator",
]
