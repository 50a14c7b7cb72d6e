"""Pure: what would have been done about incidents; nothing is done about any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kedge.backtest.moves import AliasHistory, PastMove
from kedge.contracts import Record
from kedge.policy import Case, GoBack, Incident, Refused, Released, Watch, WentBack, decide

ACTOR = "backtest"


class _Answer(NamedTuple):
    """As a decision tells it; see the `alert` contract."""

    action: str
    reason: str
    to_release: int | None = None
    generation: int | None = None


class Supposed:
    """Decides as the alerting service does, on the aliases as they were.

    Where a rollback was really made for the same incident, its target and reason are told: they
    come after a rehearsal, which can't be repeated. No other target is rehearsed, and no person
    answers a proposal.

    Args:
        history: of the alias.
        releases: of the model, by number.
    """

    def __init__(self, history: AliasHistory, releases: Mapping[int, Released]) -> None:
        self._history, self._releases = history, releases
        self.now = 0
        """The moment, in event time; to be set before each window."""

    def decided(self, watch: Watch, incident: Incident) -> Record:
        answer = self._answer(watch, incident)
        return {
            "action": answer.action,
            "from_release": incident.release,
            "to_release": answer.to_release,
            "generation": answer.generation,
            "proposal": None,
            "reason": answer.reason,
            "decided_at": self.now,
        }

    def answered(self, watch: Watch, incident: Incident) -> Record | None:
        del watch, incident  # nobody does
        return None

    def ended(self, model: str, incident: Incident) -> Record:
        del model
        reason = "it ended before it could be decided on"
        return {
            "action": "refused",
            "from_release": incident.release,
            "to_release": None,
            "generation": None,
            "proposal": None,
            "reason": reason,
            "decided_at": self.now,
        }

    def _answer(self, watch: Watch, incident: Incident) -> _Answer:
        assert incident.verdict is not None, "an incident is judged before it is decided on"
        history = self._history.until(self.now, incident.release)
        case = Case(
            incident,
            watch.rule(incident.rule),
            watch.policy.rollback,
            incident.verdict,
            watch.readings(incident.rule, incident.subject),
            history,
            self.now,
            self._releases,
            watch.ailing(),
        )
        match decide(case):
            case GoBack() as answer:
                return self._supposed(watch, incident, answer)
            case WentBack(generation, reason):
                # Two may have one number: a rollback that was supposed, and what people moved then.
                made = next(
                    move
                    for move in reversed(history)
                    if move.generation == generation and move.incident is not None
                )
                return _Answer("rolled_back", reason, made.to_release, generation)
            case Refused(reason, for_now):
                return _Answer("deferred" if for_now else "refused", reason)

    def _supposed(self, watch: Watch, incident: Incident, answer: GoBack) -> _Answer:
        target, mode = answer.to_release, watch.policy.rollback.mode
        if mode == "dry-run":
            return _Answer(
                "refused",
                f"dry run: would have moved {incident.alias} from release {incident.release} to "
                f"{target}: {answer.reason}",
            )
        if mode == "approve":
            return _Answer(
                "proposed",
                f"a person would be asked to move {incident.alias} from release "
                f"{incident.release} to {target}: {answer.reason}",
            )
        made = self._history.made_for(incident.id)
        move = made or PastMove(
            answer.expected_generation + 1,
            incident.release,
            target,
            ACTOR,
            f"{incident.rule}: {answer.reason}",
            incident.id,
            self.now,
        )
        self._history.suppose(move)
        return _Answer("rolled_back", move.reason, move.to_release, move.generation)
