"""Pure: what a window changes, each change with whose fault it is and what was decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from kedge.contracts import Record
from kedge.policy.incidents import Change, Incident
from kedge.policy.watch import Watch


class Decisions(Protocol):
    """Who decides on incidents. A decision is as in the `alert` contract."""

    def decided(self, watch: Watch, incident: Incident) -> Record:
        """What is done about an incident."""

    def answered(self, watch: Watch, incident: Incident) -> Record | None:
        """What came of the proposal that an incident waits for; None while nothing did."""

    def ended(self, model: str, incident: Incident) -> Record:
        """What is told of an incident that ended before it was decided on."""


def changes(watch: Watch, record: Record, decisions: Decisions) -> Iterator[Change]:
    """What the statistics of a window change, in the order in which it is to be told.

    Each change is to be told before the next is asked for.

    Args:
        watch: of the model in this environment.
        record: as in the `statistic` contract.
        decisions: asked about incidents whose rule wants a rollback.
    """
    # Before the window itself: it may be the first of the release that was gone back to.
    for asked in watch.proposed():
        if (decision := decisions.answered(watch, asked)) is not None:
            yield watch.decided_later(watch.decided(asked, decision), record)
    put_off = {incident.id for incident in watch.put_off()}
    for change in watch.observe(record):
        told, incident = change, change.incident
        if change.step == "fired":
            told = change.with_incident(_judged(watch, incident, decisions))
        elif not change.firing and (incident.proposal is not None or incident.is_put_off):
            decision = decisions.ended(watch.model, incident)
            told = change.with_incident(replace(incident, decision=decision))
        yield told
    for incident in watch.put_off():
        if incident.id not in put_off:
            continue  # it has just been decided on
        judged = _judged(watch, incident, decisions)
        if not judged.is_put_off:
            yield watch.decided_later(judged, record)


def _judged(watch: Watch, incident: Incident, decisions: Decisions) -> Incident:
    """The incident with whose fault it is and, where its rule asks for it, a decision."""
    judged = watch.judged(incident)
    if judged.action != "rollback":
        return judged
    return watch.decided(judged, decisions.decided(watch, judged))
