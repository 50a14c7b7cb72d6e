"""From alerts to notifications: exactly once, with what was told in the topics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import structlog

from kedge.clock import Clock, microseconds_now
from kedge.contracts import Topics, decode, encode
from kedge.policy import Labels, Policy, policy_for
from kedge.registry import DatabaseUnavailableError, Registry, Silence
from kedge.streams import CommittedLog, Incoming, Outgoing
from kedge.streams.clients import Options
from kedge.webhooks.groups import Groups, Key

_LOOK = 1_000_000
"""How often what waits for its time is looked at, and the silences too; in microseconds."""

_log = structlog.get_logger(__name__)


class _Scope(NamedTuple):
    model: str
    environment: str


class Notifier:
    """Alerts in, notifications and state out, in one transaction with the offsets.

    A notification is made once, by an id that it keeps. The endpoints deliver it from its topic,
    each at its own pace.
    """

    def __init__(
        self,
        watched: tuple[Policy, ...],
        registry: Registry,
        topics: Topics,
        kafka: Options,
        *,
        now: Clock = microseconds_now,
    ) -> None:
        self._policies, self._topics, self._kafka, self._now = watched, topics, kafka, now
        self._silences = _Silences(registry)
        self._groups: dict[int, dict[_Scope, Groups]] = {}
        self._looked = 0

    def assigned(self, partition: int) -> None:
        states: dict[bytes, bytes | None] = {}
        with CommittedLog(self._kafka, self._topics.state("webhooks"), partition) as log:
            states.update(log.news())
        by_scope: dict[_Scope, dict[Key, Any]] = {}
        for name, value in states.items():
            if value is not None:
                model, environment, *key = json.loads(name)
                by_scope.setdefault(_Scope(model, environment), {})[tuple(key)] = json.loads(value)
        groups = self._groups[partition] = {}
        for scope, snapshots in by_scope.items():
            # What a policy that is gone had remembered stays in the topic, for the next one.
            if (policy := policy_for(self._policies, *scope)) is not None:
                groups[scope] = Groups(policy, *scope)
                groups[scope].restore(snapshots)

    def revoked(self, partition: int) -> None:
        self._groups.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        del message
        return 0  # an alert holds no predictions

    def process(self, batch: Sequence[Incoming]) -> list[Outgoing]:
        now = self._now()
        for message in batch:
            _name, alert = decode(message.value, "alert")
            scope = _Scope(alert["model"], alert["environment"])
            policy = policy_for(self._policies, *scope)
            if policy is not None:
                groups = self._groups[message.partition]
                groups.setdefault(scope, Groups(policy, *scope)).take(alert, now)
        return list(self._due(now))

    def idle(self, now: int) -> list[Outgoing]:
        if self._looked <= now < self._looked + _LOOK:
            return []
        self._looked = now
        return list(self._due(now))

    def _due(self, now: int) -> Iterator[Outgoing]:
        def silenced(labels: Labels) -> bool:
            return any(silence.matchers.match(labels) for silence in self._silences.at(now))

        for partition, scopes in self._groups.items():
            for scope, groups in scopes.items():
                for notification in groups.notifications(now, silenced):
                    _log.info(
                        "due",
                        id=notification.id,
                        endpoint=notification.endpoint,
                        status=notification.status,
                        alerts=[alert["id"] for alert in notification.alerts],
                    )
                    message = encode("notification", notification.to_record())
                    yield Outgoing(self._topics.notifications, scope.model.encode(), message)
                for key, state in groups.snapshot().items():
                    name = json.dumps([*scope, *key]).encode()
                    value = None if state is None else json.dumps(state).encode()
                    yield Outgoing(self._topics.state("webhooks"), name, value, partition)


class _Silences:
    """The silences of the registry, as they were a moment ago."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._known: list[Silence] = []
        self._looked: int | None = None

    def at(self, now: int) -> list[Silence]:
        """Those that are in force."""
        if self._looked is None or not self._looked <= now < self._looked + _LOOK:
            try:
                self._known = self._registry.silences.find(active_at=now)
            except DatabaseUnavailableError as error:
                # One alert too many wakes somebody; one too few lets them sleep.
                _log.warning("silences_unknown", error=str(error))
            self._looked = now
        return [silence for silence in self._known if silence.is_active(now)]
