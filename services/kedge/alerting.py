"""Alerting: statistics become alerts, and an alert may move the alias back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from threading import Event

import structlog

from kedge import policies
from kedge.approvals.links import ApprovalLinks
from kedge.broker import connection
from kedge.clock import Clock, microseconds_now
from kedge.contracts import Record, Topics, decode, encode
from kedge.policy import Change, Policy, Watch, alert_record, changes, policy_for
from kedge.registry import Registry
from kedge.rehearsal.rehearser import Rehearser
from kedge.rollback import Rollbacks
from kedge.settings import Settings, micros
from kedge.streams import CommittedLog, Incoming, Outgoing, Source, run_transactionally
from kedge.streams.clients import Options

_log = structlog.get_logger(__name__)

_Scope = tuple[str, str]  # model and environment


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
            approvals=settings.approvals.links,
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
        self._policies, self._base_window = watched, base_window
        self._topics, self._kafka, self._now = topics, kafka, now
        self._watches: dict[int, dict[_Scope, Watch]] = {}
        rehearser = Rehearser(registry, kafka, topics)
        self._rollbacks = Rollbacks(registry, rehearser, approvals, now)

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
        self._rollbacks.begin()
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
        for change in changes(watch, record, self._rollbacks):
            yield self._told(watch, change)

    def _told(self, watch: Watch, change: Change) -> Outgoing:
        alert = alert_record(watch, change, self._now())
        _log_alert(alert)
        return Outgoing(self._topics.alerts, watch.model.encode(), encode("alert", alert))

    def _states(self, partition: int) -> Iterator[Outgoing]:
        topic = self._topics.state("alerting")
        for (model, environment), watch in self._watches[partition].items():
            for release, state in watch.snapshot().items():
                key = json.dumps([model, environment, release]).encode()
                yield Outgoing(topic, key, state, partition)


def _log_alert(alert: Record) -> None:
    told = {key: alert[key] for key in ("id", "model", "release", "rule", "severity", "summary")}
    (_log.warning if alert["status"] == "firing" else _log.info)(alert["status"], **told)
    if (decision := alert["decision"]) is not None and alert["status"] == "firing":
        _log.warning(decision["action"], incident=alert["incident"], reason=decision["reason"])
