"""Alerting: statistics become alerts, and an alert may move the alias back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from threading import Event
from typing import NamedTuple

import structlog

from kedge import policies
from kedge.approvals.links import ANSWERS, ApprovalLinks
from kedge.approvals.settings import approval_links
from kedge.broker import connection
from kedge.clock import Clock, microseconds_now
from kedge.contracts import Record, Topics, decode, encode
from kedge.errors import KedgeError
from kedge.policy import (
    Case,
    Change,
    GoBack,
    Incident,
    Policy,
    Refused,
    Watch,
    WentBack,
    alert_record,
    decide,
    policy_for,
)
from kedge.registry import (
    AliasMove,
    DatabaseUnavailableError,
    Proposal,
    ProposedIncidentError,
    Refusal,
    RefusedIncidentError,
    Registry,
    SettledProposalError,
    UnknownModelError,
)
from kedge.registry.errors import settled, utc
from kedge.rehearsal.judgement import Rehearsal
from kedge.rehearsal.rehearser import Rehearser
from kedge.rehearsal.tail import Logger
from kedge.settings import Settings, micros
from kedge.streams import (
    CommittedLog,
    Incoming,
    Outgoing,
    Source,
    TryAgainError,
    run_transactionally,
)
from kedge.streams.clients import Options

ACTOR = "kedge-alerting"
"""Who moved an alias, in the registry's history."""

_log = structlog.get_logger(__name__)

_Scope = tuple[str, str]  # model and environment


class _Decided(NamedTuple):
    """A decision as alerts tell it.

    Attributes:
        reason: why.
        to_release: where the alias was moved; None where it was not.
        generation: of the move.
        proposal: number of the proposal that a person was asked by.
        asked: what they have not answered yet.
    """

    reason: str
    to_release: int | None = None
    generation: int | None = None
    proposal: int | None = None
    asked: Proposal | None = None

    @property
    def action(self) -> str:
        if self.asked is not None:
            return "proposed"
        return "refused" if self.generation is None else "rolled_back"


def run(settings: Settings, stop: Event) -> None:
    """Run one alerting service until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    watched = policies.configured(settings)
    if not watched:
        _log.warning("no_policy", detail="nothing is watched: set KEDGE_ALERTING__POLICY")
    source = Source(topics.statistics, "alerting", f"{settings.topic_prefix}.alerting")
    with Registry.open(settings) as registry:
        alerting = Alerting(
            watched,
            registry,
            topics,
            kafka,
            base_window=micros(settings.stream.window),
            approvals=approval_links(settings),
        )
        run_transactionally(source, alerting, kafka, settings, stop)


class Alerting:
    """Statistics in, alerts and state out; the registry has the decisions in between.

    A move or a refusal is in the registry before it is told and committed. Whoever comes to the
    same incident again finds it there and tells the same: a process that died before the commit
    or whose transaction was aborted, and one that was paused and replaced meanwhile.
    """

    def __init__(
        self,
        watched: tuple[Policy, ...],
        registry: Registry,
        topics: Topics,
        kafka: Options,
        *,
        base_window: int,
        approvals: ApprovalLinks | None = None,
        now: Clock = microseconds_now,
    ) -> None:
        self._policies, self._registry, self._base_window = watched, registry, base_window
        self._topics, self._kafka, self._now = topics, kafka, now
        self._approvals = approvals
        self._watches: dict[int, dict[_Scope, Watch]] = {}
        self._rehearser = Rehearser(registry, kafka, topics)

    def assigned(self, partition: int) -> None:
        snapshots: dict[bytes, bytes | None] = {}
        with CommittedLog(self._kafka, self._topics.state("alerting"), partition) as log:
            snapshots.update(log.news())
        by_scope: dict[_Scope, dict[int, bytes]] = {}
        for key, value in snapshots.items():
            if value is not None:
                model, environment, release = json.loads(key)
                by_scope.setdefault((model, environment), {})[release] = value
        watches = self._watches[partition] = {}
        for scope, releases in by_scope.items():
            # What a policy that is gone had remembered stays in the topic, for the next one.
            if (policy := policy_for(self._policies, *scope)) is not None:
                watches[scope] = Watch(policy, *scope, self._base_window)
                watches[scope].restore(releases)

    def revoked(self, partition: int) -> None:
        self._watches.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        return int(decode(message.value, "statistic")[1]["rows"])

    def idle(self, now: int) -> Sequence[Outgoing]:
        del now  # windows alone bring changes
        return ()

    def process(self, batch: Sequence[Incoming]) -> list[Outgoing]:
        self._rehearser.begin()
        outputs: list[Outgoing] = []
        for message in batch:
            _name, record = decode(message.value, "statistic")
            watch = self._watch(message.partition, record["model"], record["environment"])
            if watch is not None:
                outputs.extend(self._alerts(watch, record))
        for partition in {message.partition: None for message in batch}:
            outputs.extend(self._states(partition))
        return outputs

    def _watch(self, partition: int, model: str, environment: str) -> Watch | None:
        watches, scope = self._watches[partition], (model, environment)
        if scope not in watches:
            policy = policy_for(self._policies, *scope)
            if policy is None:
                return None
            watches[scope] = Watch(policy, *scope, self._base_window)
        return watches[scope]

    def _alerts(self, watch: Watch, record: Record) -> Iterator[Outgoing]:
        # Before the window itself: it may be the first of the release that was gone back to.
        for asked in watch.proposed():
            if (decision := self._answer_to(asked)) is not None:
                change = watch.answered(watch.decided(asked, decision), record)
                yield self._told(watch, change)
        for change in watch.observe(record):
            told, incident = change, change.incident
            if change.step == "fired" and incident.action == "rollback":
                decision = self._decision(incident, partial(self._decide, watch, incident))
                told = change.with_incident(watch.decided(incident, decision))
            elif not change.firing and incident.proposal is not None:
                told = change.with_incident(replace(incident, decision=self._withdrawn(incident)))
            yield self._told(watch, told)

    def _told(self, watch: Watch, change: Change) -> Outgoing:
        alert = alert_record(watch, change, self._now())
        _log_alert(alert)
        return Outgoing(self._topics.alerts, watch.model.encode(), encode("alert", alert))

    def _answer_to(self, incident: Incident) -> Record | None:
        """What came of the proposal that an incident waits for; None while nothing did."""
        proposals, number = self._registry.proposals, incident.proposal
        assert number is not None
        try:
            proposal = proposals.get(number)
        except DatabaseUnavailableError as error:
            raise TryAgainError(str(error)) from error
        if proposal.state == "pending":
            return None
        return self._decision(incident, partial(_told, proposal))

    def _withdrawn(self, incident: Incident) -> Record:
        """An incident that ended before its proposal was answered moves nothing any more."""
        number = incident.proposal
        assert number is not None

        def withdraw() -> _Decided:
            proposal = self._registry.proposals.get(number)
            if proposal.state != "pending" or proposal.incident != incident.id:
                return _told(proposal)
            try:
                reason = "the incident ended before anybody answered"
                return _told(self._registry.proposals.withdraw(number, actor=ACTOR, reason=reason))
            except SettledProposalError as error:
                return _told(error.proposal)

        return self._decision(incident, withdraw)

    def _states(self, partition: int) -> Iterator[Outgoing]:
        topic = self._topics.state("alerting")
        for (model, environment), watch in self._watches[partition].items():
            for release, state in watch.snapshot().items():
                key = json.dumps([model, environment, release]).encode()
                yield Outgoing(topic, key, state, partition)

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
            case GoBack(target, _, reason) if watch.policy.rollback.mode == "dry-run":
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
            case Refused(reason) if watch.policy.rollback.mode == "dry-run":
                # It must not stand in the way of another alerting that does move aliases.
                return _Decided(reason)
            case Refused(reason):
                return self._refuse(model, incident, reason)

    def _answer(
        self, watch: Watch, incident: Incident, history: Sequence[AliasMove]
    ) -> GoBack | WentBack | Refused:
        """Decide, and again for each target that fails its rehearsal."""
        guard, rule = watch.policy.rollback, watch.rule(incident.rule)
        logger = Logger(watch.model, incident.release, watch.environment)
        readings = watch.readings(incident.rule, incident.subject)
        rehearsals: dict[int, Rehearsal] = {}
        while True:
            now = self._now()
            answer = decide(Case(incident, rule, guard, readings, history, now, rehearsals))
            if not (guard.rehearse and isinstance(answer, GoBack)):
                return answer
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
        except KedgeError as error:
            # Above all StaleAliasError: the alias was moved since its history was read.
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


def _log_alert(alert: Record) -> None:
    told = {key: alert[key] for key in ("id", "model", "release", "rule", "severity", "summary")}
    (_log.warning if alert["status"] == "firing" else _log.info)(alert["status"], **told)
    if (decision := alert["decision"]) is not None and alert["status"] == "firing":
        _log.warning(decision["action"], incident=alert["incident"], reason=decision["reason"])
