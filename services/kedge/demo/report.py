"""The summary as `--json` writes it. Moments are seconds since 1970 UTC."""

from __future__ import annotations

from typing import Any

from kedge.demo.chapters import SECOND
from kedge.demo.outcome import Fixed, Incident, Outcome


def report(outcome: Outcome) -> dict[str, Any]:
    """All figures of the story, and of each incident."""
    return {
        "predictions_sent": outcome.predictions_sent,
        "predictions_profiled": outcome.sums.profiled,
        "predictions_archived": outcome.sums.archived,
        "dead_lettered": outcome.sums.dead_lettered,
        "outcomes_sent": outcome.outcomes_sent,
        "outcomes_archived": outcome.sums.outcomes_archived,
        "false_rollbacks": outcome.false_rollbacks,
        "webhooks_delivered": len(outcome.deliveries),
        "incidents": [_incident(each) for each in outcome.incidents],
        "fix": None if outcome.fix is None else _fix(outcome.fix),
        "shortcomings": outcome.shortcomings(),
    }


def _incident(incident: Incident) -> dict[str, Any]:
    fault, rollback, recovery = incident.fault, incident.rollback, incident.recovery
    swapped_back, detection = incident.swapped_back, incident.detection
    return {
        "name": incident.chapter.name,
        "verdicts": incident.verdicts,
        "because": incident.because,
        "columns": incident.columns,
        "decisions": incident.decisions,
        "windows_to_detection": incident.windows_to_detection,
        "seconds_fault_to_rollback": incident.seconds_fault_to_rollback,
        "from_release": None if rollback is None else rollback.from_release,
        "to_release": None if rollback is None else rollback.to_release,
        "rollback_reason": None if rollback is None else rollback.reason,
        "fault_at": None if fault is None else fault.received_at,
        "detected_at": None if detection is None else detection.received_at,
        "rolled_back_at": None if rollback is None else rollback.moved_at / SECOND,
        "served_again_at": None if swapped_back is None else swapped_back.received_at,
        "recovered_at": None if recovery is None else recovery.received_at,
    }


def _fix(fix: Fixed) -> dict[str, Any]:
    return {
        "release": fix.release,
        "same_model": fix.same_model,
        "model_bytes_before": fix.stored_before,
        "model_bytes_after": fix.stored_after,
        "code_bytes_added": fix.code_bytes,
        "served_at": None if fix.served is None else fix.served.received_at,
    }
