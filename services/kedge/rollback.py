"""Rollbacks: a decision on an incident, and what is done about it in the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import structlog

from kedge.approvals.links import ANSWERS, ApprovalLinks
from kedge.clock import Clock
from kedge.contracts import Record
from kedge.errors import KedgeError
from kedge.policy import Case, Distance, GoBack, Incident, Refused, Watch, WentBack, decide
from kedge.registry import (
    AliasMove,
    DatabaseUnavailableError,
    Proposal,
    ProposedIncidentError,
    Refusal,
    RefusedIncidentError,
    Registry,
    SettledProposalError,
    StaleAliasError,
    UnknownModelError,
)
from kedge.registry.errors import settled, utc
from kedge.rehearsal.judgement import Rehearsal
from kedge.rehearsal.rehearser import Rehearser
from kedge.rehearsal.tail import Logger
from kedge.settings import micros
from kedge.streams import TryAgainError

ACTOR = "kedge-alerting"
"""Who moved an alias, in the registry's history."""

_log = structlog.get_logger(__name__)


class _Decided(NamedTuple):
    """A decision as alerts tell it.

    Attributes:
        reason: why.
        to_release: where the alias was moved; None where it was not.
        generation: of the move.
        proposal: number of the proposal that a person was asked by.
        asked: what they have not answered yet.
        for_now: whether nothing is decided yet, and the next window may bring it.
    """

    reason: str
    to_release: int | None = None
    generation: int | None = None
    proposal: int | None = None
    asked: Proposal | None = None
    for_now: bool = False

    @property
    def action(self) -> str:
        if self.for_now:
            return "deferred"
        if self.asked is not None:
            return "proposed"
        return "refused" if self.generation is None else "rolled_back"


class Rollbacks:
    """Decides on incidents, does what was decided, and says what it was.

    A decision is as in the `alert` contract, and in the registry before it is told. Every method
    may raise `TryAgainError`, when the registry can't be asked.

    Args:
        registry: where aliases are moved.
        rehearser: what a target is rehearsed by.
        approvals: how links to answer a proposal are made; None for no links.
        now: microseconds since 1970.
    """

    def __init__(
        self, registry: Registry, rehearser: Rehearser, approvals: ApprovalLinks | None, now: Clock
    ) -> None:
        self._registry, self._rehearser = registry, rehearser
        self._approvals, self._now = approvals, now

    def begin(self) -> None:
        """A new micro-batch; see `Rehearser.begin`."""
        self._rehearser.begin()

    def decided(self, watch: Watch, incident: Incident) -> Record:
        """Decide on an incident, and do what was decided."""
        return self._decision(incident, partial(self._decide, watch, incident))

    def answered(self, watch: Watch, incident: Incident) -> Record | None:
        """What came of the proposal that an incident waits for; None while nothing did."""
        proposal = self._asked(incident)
        if proposal.state == "pending":
            return None
        if proposal.state == "withdrawn" and proposal.incident != incident.id:
            # It was about another column, that is well again; this one is not.
            return self.decided(watch, incident)
        return self._decision(incident, partial(_told, proposal))

    def ended(self, model: str, incident: Incident) -> Record:
        """An incident that ended before it was decided on moves nothing any more.

        Whoever was paused meanwhile may have moved the alias for it, and then that is told.
        """
        if incident.proposal is not None:
            return self._decision(incident, partial(self._withdraw, incident))
        reason = "it ended before it could be decided on"
        return self._decision(incident, partial(self._refuse, model, incident, reason))

    def _asked(self, incident: Incident) -> Proposal:
        assert incident.proposal is not None
        try:
            return self._registry.proposals.get(incident.proposal)
        except DatabaseUnavailableError as error:
            raise TryAgainError(str(error)) from error

    def _withdraw(self, incident: Incident) -> _Decided:
        proposal = self._asked(incident)
        if proposal.state != "pending":
            return _told(proposal)
        if proposal.incident != incident.id:
            return _Decided("it ended before the proposal was answered", proposal=proposal.id)
        reason = "the incident ended before anybody answered"
        try:
            return _told(self._registry.proposals.withdraw(proposal.id, actor=ACTOR, reason=reason))
        except SettledProposalError as error:
            return _told(error.proposal)

    def _decision(self, incident: Incident, decide_on: Callable[[], _Decided]) -> Record:
        """What was decided, as in the `alert` contract."""
        try:
            decided = decide_on()
        except DatabaseUnavailableError as error:
            raise TryAgainError(str(error)) from error
        return {
            "action": decided.action,
            "from_release": incident.release,
            "to_release": decided.to_release,
            "generation": decided.generation,
            "proposal": decided.proposal,
            "reason": decided.reason,
            "decided_at": self._now(),
            **({} if decided.asked is None else self._links(decided.asked)),
        }

    def _links(self, proposal: Proposal) -> Record:
        """By which a person answers, where the settings say how they are signed."""
        if self._approvals is None:
            return {}
        return {
            f"{answer}_url": self._approvals.url(proposal.id, answer, proposal.expires_at)
            for answer in ANSWERS
        }

    def _decide(self, watch: Watch, incident: Incident) -> _Decided:
        model, alias = watch.model, incident.alias
        try:
            history = self._registry.history(model, alias)
        except UnknownModelError as error:
            # Neither moved nor refused: a model that is not there has nothing to lock.
            return _Decided(str(error))
        answer = self._answer(watch, incident, history)
        match answer:
            case GoBack(target, reason=reason) if watch.policy.rollback.mode == "dry-run":
                return _Decided(
                    f"dry run: would have moved {alias} from release {incident.release} to "
                    f"{target}: {reason}"
                )
            case GoBack():
                return self._move(watch, incident, answer)
            case WentBack(generation, reason):
                made = next(move for move in history if move.generation == generation)
                if made.incident == incident.id or watch.policy.rollback.mode == "dry-run":
                    return _Decided(reason, made.to_release, generation)
                return self._refuse(model, incident, reason, made)
            case Refused(reason, for_now=True):
                refused = self._registry.refusal(incident.id)
                return _Decided(reason, for_now=True) if refused is None else _told(refused)
            case Refused(reason) if watch.policy.rollback.mode == "dry-run":
                # It must not stand in the way of another alerting that does move aliases.
                return _Decided(reason)
            case Refused(reason):
                return self._refuse(model, incident, reason)

    def _answer(
        self, watch: Watch, incident: Incident, history: Sequence[AliasMove]
    ) -> GoBack | WentBack | Refused:
        """Decide, again once it is known how near the candidates are, and for each that fails."""
        guard, rule = watch.policy.rollback, watch.rule(incident.rule)
        logger = Logger(watch.model, incident.release, watch.environment)
        readings = watch.readings(incident.rule, incident.subject)
        releases = {each.number: each for each in self._registry.releases(watch.model)}
        blame = incident.verdict
        assert blame is not None, "an incident is judged before it is decided on"
        rehearsals: dict[int, Rehearsal] = {}
        distances: dict[int, Distance] | None = None
        while True:
            answer = decide(
                Case(
                    incident,
                    rule,
                    guard,
                    blame,
                    readings,
                    history,
                    self._now(),
                    releases,
                    watch.ailing(),
                    rehearsals,
                    distances or {},
                )
            )
            if not (guard.rehearse and isinstance(answer, GoBack)):
                return answer
            if distances is None:
                compared = (incident.release, *answer.candidates)
                distances = self._rehearser.distances(logger, compared, guard, rule)
                continue
            target = answer.to_release
            if target in rehearsals:
                return answer
            verdict = self._rehearser.rehearse(
                logger, target, guard, rule=rule, subject=incident.subject
            )
            _log.info("rehearsed", model=watch.model, **asdict(verdict))
            rehearsals[target] = verdict

    def _move(self, watch: Watch, incident: Incident, answer: GoBack) -> _Decided:
        """Move the alias, or ask a person whether to."""
        model, guard = watch.model, watch.policy.rollback
        reason = f"{incident.rule}: {answer.reason}"
        try:
            if guard.mode == "approve":
                return _told(
                    self._registry.proposals.propose(
                        model,
                        incident.alias,
                        answer.to_release,
                        expected_generation=answer.expected_generation,
                        incident=incident.id,
                        within=micros(guard.approve_within_seconds),
                        actor=ACTOR,
                        reason=reason,
                    )
                )
            return _told(
                self._registry.move_alias(
                    model,
                    incident.alias,
                    answer.to_release,
                    expected_generation=answer.expected_generation,
                    actor=ACTOR,
                    reason=reason,
                    incident=incident.id,
                )
            )
        except DatabaseUnavailableError:
            raise
        except RefusedIncidentError as error:
            return _told(error.refusal)
        except ProposedIncidentError as error:
            return _told(error.proposal)
        except StaleAliasError as error:
            # Moved since its history was read: where it points now is for the next window to see.
            return _Decided(str(error), for_now=True)
        except KedgeError as error:
            return self._refuse(model, incident, str(error))

    def _refuse(
        self, model: str, incident: Incident, reason: str, made: AliasMove | None = None
    ) -> _Decided:
        try:
            return _told(
                self._registry.refuse(
                    model, incident.alias, incident.id, actor=ACTOR, reason=reason, answer=made
                )
            )
        except DatabaseUnavailableError:
            raise
        except KedgeError as error:
            return _Decided(str(error))


def _told(decided: AliasMove | Refusal | Proposal) -> _Decided:
    """What the registry has as the decision, whoever took it."""
    if not isinstance(decided, Proposal):
        return _Decided(decided.reason, decided.to_release, decided.generation)
    if decided.state == "approved":
        to_release = decided.to_release
        return _Decided(settled(decided), to_release, decided.generation, decided.id)
    if decided.state != "pending":
        return _Decided(settled(decided), proposal=decided.id)
    asked = (
        f"proposal {decided.id} is to move {decided.alias} from release {decided.from_release} to "
        f"{decided.to_release} ({decided.reason}). To answer until {utc(decided.expires_at)}: "
        f"kedge rollback approve {decided.id} --reason …, or reject"
    )
    return _Decided(asked, proposal=decided.id, asked=decided)
