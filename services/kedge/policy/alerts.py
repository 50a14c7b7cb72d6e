"""Changes of incidents as records of the `alert` contract."""

from __future__ import annotations

from kedge.attribution.wording import time_text
from kedge.contracts import Record
from kedge.policy.incidents import Change, Incident
from kedge.policy.watch import Watch

_RELEASES = 4
_WINDOWS = 8


def alert_record(watch: Watch, change: Change, now: int) -> Record:
    """The message that a change is told by.

    Args:
        watch: where it happened.
        change: what happened.
        now: on the clock of the alerting service, microseconds since 1970.
    """
    incident, reading = change.incident, change.reading
    window = change.trigger if reading is None else reading.window
    subject = incident.subject
    return {
        "id": change.id,
        "fingerprint": incident.fingerprint,
        "incident": incident.id,
        "status": "firing" if change.firing else "resolved",
        "step": change.step,
        "model": watch.model,
        "model_version": incident.model_version,
        "code_version": incident.code_version,
        "release": incident.release,
        "environment": watch.environment,
        "alias": incident.alias,
        "rule": incident.rule,
        "severity": incident.severity,
        "action": incident.action,
        "statistic": subject.statistic,
        "role": subject.role,
        "column": subject.column,
        "kind": subject.kind,
        "segment": subject.segment,
        "threshold": incident.threshold,
        "starts_at": incident.starts_at,
        "ends_at": None if change.firing else incident.last.end,
        "window_start": window.start,
        "window_end": window.end,
        "value": None if reading is None else reading.value,
        "rows": 0 if reading is None else reading.rows,
        "summary": _summary(change),
        "evidence": _evidence(watch, incident),
        "decision": incident.decision,
        "verdict": None
        if incident.verdict is None
        else {"blame": incident.verdict.blame, "because": list(incident.verdict.because)},
        **_onset(incident),
        "produced_at": now,
    }


def _onset(incident: Incident) -> Record:
    at, earliest, latest = (None, None, None) if incident.onset is None else incident.onset
    return {"onset": at, "onset_earliest": earliest, "onset_latest": latest}


def _summary(change: Change) -> str:
    incident, release = change.incident, change.incident.release
    if change.reading is None:
        if change.step == "decided":
            return f"Decided on {incident.subject} in release {release}.{_blame(incident)}"
        if change.step == "withdrawn":
            return (
                f"Closed: the policy has no rule {incident.rule!r} on {incident.subject} "
                "in such windows any more."
            )
        return f"Closed: release {release} has had no window since {time_text(incident.last.end)}."
    what, value = str(incident.subject), f"{change.reading.value:.4g}"
    limit = f"{incident.comparison} {incident.threshold:g}"
    note = "" if change.reading.note is None else f" Note: {change.reading.note}."
    match change.step:
        case "fired":
            return (
                f"{what} is {value} in release {release}, {limit} "
                f"since the window of {time_text(incident.starts_at)}.{note}{_blame(incident)}"
            )
        case "decided":
            return (
                f"Decided on {what}, which is {value} in release {release}, {limit}."
                f"{_blame(incident)}"
            )
        case "resolved":
            return f"{what} is {value} in release {release}, no longer {limit}."
        case "recovered":
            return (
                f"Recovered after the rollback to release {change.witness}: "
                f"{what} is {value} there, not {limit}."
            )
        case "superseded":
            return (
                f"Release {release} serves no more; in release {change.witness} "
                f"{what} is {value}, not {limit}."
            )
        case _:
            return (
                f"The rollback to release {change.witness} did not help: "
                f"{what} is {value} there, {limit} too."
            )


def _blame(incident: Incident) -> str:
    return "" if incident.verdict is None else f" Blame: {incident.verdict}"


def _evidence(watch: Watch, incident: Incident) -> list[Record]:
    readings = watch.readings(incident.rule, incident.subject)
    others = sorted(
        (number for number in readings if number != incident.release),
        key=lambda number: (readings[number][-1].window.start, number),
        reverse=True,
    )
    return [
        {
            "release": number,
            "window_start": reading.window.start,
            "value": reading.value,
            "rows": reading.rows,
        }
        for number in (incident.release, *others[: _RELEASES - 1])
        for reading in readings.get(number, [])[-_WINDOWS:]
    ]
