"""What the views and their columns say of themselves: `COMMENT`s in the catalogue."""

from __future__ import annotations

from typing import Final

VIEWS: Final = {
    "predictions": "Every logged inference, as often as it came; features.<name> and "
    "outputs.<name> hold the values",
    "distinct_predictions": "Every logged inference once, however often it was sent",
    "outcomes": "The truth about predictions as it came, corrections among it",
    "scored": "Predictions, each once, with the truth known last, null where there is none yet",
    "missing": "One row for each feature or output that a prediction has no usable value of",
    "statistics": "One row for each statistic of a window, as last revised",
    "alerts": "Every change of an alert, with its evidence and what was decided",
    "releases": "Releases that were made and aliases that were moved",
    "rollbacks": "Moves of an alias that answered an incident, with the alert that led to them",
}

_OF_ONE_VIEW: Final = {
    "predictions.id": "Name of the prediction; its outcome names it as prediction_id",
    "predictions.features": "What the model was given; of the type in the signature, else of the "
    "first value that came",
    "predictions.outputs": "What the model answered",
    "scored.truth": "The truth as a number; true is 1, false is 0; see truth_type",
    "scored.truth_type": "Null where no outcome came yet; 'null' where it says that there is none",
    "distinct_predictions.id": "Name of the prediction",
    "scored.id": "Name of the prediction",
    "missing.id": "Name of the prediction",
    "missing.column_name": "The feature or output",
    "missing.kind": "absent, null, nan, empty, imputed or wrong_type",
    "statistics.part": "What it is of: predictions, or performance for those with an outcome; "
    "the parts of a window are revised apart",
    "statistics.column_name": "Which feature or output it is about; null for the whole window",
    "statistics.rows": "Rows of the window that it is computed from",
    "statistics.window_rows": "Predictions in the window",
    "statistics.clock": "Which time the window is of: event, or broker for conservation",
    "statistics.revision": "0 at first, one more each time that late events changed it",
    "alerts.evidence": "The same statistic in earlier windows and releases",
    "alerts.decision_action": "rolled_back, refused, proposed to a person, or deferred: not "
    "decided yet",
    "releases.event": "release_made or alias_moved",
    "releases.release": "The release that was made, or that the alias now points to",
    "releases.incident": "The incident that a rollback answers",
    "releases.signature": "Features and outputs of a release that was made",
}

_COLUMNS: Final = {
    "model": "Name of the model",
    "model_version": "Content address of the model version",
    "code_version": "Version of the inference code",
    "release": "Number of the release, which pairs model_version and code_version",
    "environment": "Where the process ran, for example production",
    "alias": "Pointer to a release, for example production",
    "role": "feature or output; null where it is about the window",
    "column_name": "Which feature or output it is about; null where it is about the window",
    "kind": "For a missing rate the kind of missing; null for all together",
    "segment": "Which rows of the window, as feature=value; null for all",
    "statistic": "Which statistic: missing_rate, psi, js_distance, …",
    "value": "The number; null where it can't be had",
    "rows": "Rows that the value is computed from",
    "threshold": "What the value was compared with",
    "rule": "Name of the rule in the policy",
    "severity": "info, warning or critical, as the rule says",
    "summary": "What the alert says, in a sentence",
    "starts_at": "Start of the first window over the threshold",
    "ends_at": "End of the last window over the threshold, once it is resolved",
    "window_start": "First instant of the window",
    "window_end": "First instant after the window",
    "decided_at": "When a decision on the alert was taken",
    "produced_at": "When the alert was published",
    "decision_from_release": "What the alias pointed to at the decision",
    "decision_to_release": "Where the alias was moved",
    "decision_generation": "Generation of the alias after the move",
    "decision_reason": "Why it was decided so",
    "decision_proposal": "Number of the proposal by which a person was asked",
    "step": "What happened: fired, decided, resolved, recovered after a rollback, not_helped by "
    "it, superseded by a release that serves instead, withdrawn with its rule, or forgotten",
    "verdict": "Whose fault it is: model, code, upstream, world or unclear",
    "verdict_because": "The comparisons that say so, as sentences",
    "onset": "When the change began that the evidence shows; null while it shows none",
    "onset_earliest": "When it began at the earliest: two standard deviations before",
    "onset_latest": "When it began at the latest: two standard deviations after",
    "helped": "Whether the release that was gone back to is well by the same statistic; null until "
    "its windows say so",
    "generation": "Counts the moves of the alias",
    "actor": "Who did it",
    "reason": "Why",
    "incident": "One stretch of firing; rollbacks name it",
    "from_release": "The release that the alias pointed to",
    "to_release": "The release that the alias points to since",
    "time": "When it was done",
    "id": "Unique name of the message; the same at every redelivery",
    "fingerprint": "The same rule on the same column of the same release",
    "status": "firing or resolved",
    "action": "What the rule asks for: notify or rollback",
    "low": "The least that the raw rows could give, or the lower end of an estimate's band",
    "high": "The most that they could give, or the upper end of the band",
    "note": "What a reader of the number has to know, also why there is none",
    "window_errors": "Inferences in the window that raised",
    "reference_rows": "Rows of the reference of a release that was made",
    "prediction_id": "Id of the prediction that it is the truth of",
    "known_at": "When the truth became known; the latest one holds",
    "truth": "The truth as a number; true is 1, false is 0",
    "truth_text": "The truth as text, also of numbers: what classes are compared by",
    "truth_type": "number, boolean, text, vector or null",
    "truth_vector": "The truth where it is a list of numbers",
    "event_time": "When the prediction was made; windows are on this time",
    "features": "What the model was given, as features.<name>",
    "outputs": "What the model answered, as outputs.<name>",
    "imputed": "Names of the features that the inference code filled in",
    "missing": "Feature to why it has no value: absent, null, nan, empty",
    "missing_outputs": "Output to why it has no value",
    "untyped": "Feature to its value as text where it is of another type than its column",
    "untyped_outputs": "Output to its value as text where it is of another type",
    "latency_ms": "How long the inference took, in milliseconds",
    "error": "Type of the exception when the inference raised",
    "kafka_partition": "Partition of the topic that the message came from",
    "kafka_offset": "Offset of the message in its partition",
}


def of_column(view: str, column: str) -> str:
    """What a column of a view says of itself."""
    return _OF_ONE_VIEW.get(f"{view}.{column}") or _COLUMNS[column]
