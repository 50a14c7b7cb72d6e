"""Pure: which alerts are told to whom, together with which others, and when.

As in Prometheus Alertmanager: alerts are grouped by labels, a group's notification lists all of it
that fires, news of a group wait a moment for more of them, and what still fires is told again after
a while (https://prometheus.io/docs/alerting/latest/alertmanager).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from kedge.contracts import Record, decode, encode
from kedge.policy import Inhibition, Inhibitor, Labels, Policy, Webhook, labels_of
from kedge.webhooks.notification import Notification

Key = tuple[str, ...]
_MOST_ALERTS = 200
"""In one notification: of more, a group has several, so that each fits into a message."""

_LEFT_OUT = ""
"""What an endpoint was told last of an incident that its group's newest notification left out, as
it was muted: when it is not any more and still fires, that is news."""

Silenced = Callable[[Labels], bool]


@dataclass(slots=True, eq=False)
class _Incident:
    """An incident that fires, or whose end somebody is still to be told of.

    Attributes:
        alert: its newest.
        since: when that came, on the clock of this service; microseconds since 1970.
        told: by the name of an endpoint, the id of the alert that it was told last.
        labels: of the alert.
    """

    alert: Record
    since: int
    told: dict[str, str] = field(default_factory=dict)
    labels: Labels = field(init=False)

    def __post_init__(self) -> None:
        self.labels = labels_of(self.alert)

    @property
    def fires(self) -> bool:
        return bool(self.alert["status"] == "firing")

    @property
    def hurries(self) -> bool:
        """Whether an alias was to be moved for it: nobody is to learn of that later than it is."""
        return self.alert["decision"] is not None

    def is_news(self, endpoint: str) -> bool:
        """Whether an endpoint is to be told.

        Of what fires, of the end of what it was told, and of what an alias was to be moved for,
        even if that is over by now.
        """
        return self.told.get(endpoint) != self.alert["id"] and (
            self.fires or endpoint in self.told or self.hurries
        )

    def to_json(self) -> dict[str, Any]:
        message = base64.b64encode(encode("alert", self.alert)).decode()
        return {"alert": message, "since": self.since, "told": self.told}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        _name, alert = decode(base64.b64decode(data["alert"]), "alert")
        return cls(alert, data["since"], data["told"])


class _Muted:
    """Incidents that nobody is to be told of now."""

    def __init__(
        self,
        inhibitions: Iterable[Inhibition],
        incidents: Iterable[_Incident],
        silenced: Silenced,
    ) -> None:
        self._inhibitions, self._incidents, self._silenced = inhibitions, incidents, silenced

    @cached_property
    def _inhibitor(self) -> Inhibitor:
        firing = (each.labels for each in self._incidents if each.fires)
        return Inhibitor(self._inhibitions, firing)

    def __contains__(self, incident: _Incident) -> bool:
        return self._inhibitor.mutes(incident.labels) or self._silenced(incident.labels)


class Groups:
    """What fires of one model in one environment, and what each endpoint was told of it.

    Time is given from outside and comes back in the state, so a restart changes nothing. What was
    told is kept by incident and endpoint, not by group: a policy may group otherwise tomorrow.

    Args:
        policy: that the alerts were made by.
        model: which model.
        environment: where it predicts.
    """

    def __init__(self, policy: Policy, model: str, environment: str) -> None:
        self._policy = policy
        self._scope = {"model": model, "environment": environment}
        self._incidents: dict[str, _Incident] = {}
        self._sent: dict[Key, int] = {}
        self._touched: set[Key] = set()

    def take(self, alert: Record, now: int) -> None:
        """Take an alert of this model and environment.

        Args:
            alert: as in the `alert` contract.
            now: microseconds since 1970.
        """
        name = alert["incident"]
        before = self._incidents.get(name)
        self._incidents[name] = _Incident(alert, now, {} if before is None else before.told)
        self._touch(name)

    def notifications(self, now: int, silenced: Silenced) -> list[Notification]:
        """What is due, which counts as told from now on.

        Args:
            now: microseconds since 1970, never before that of an earlier call.
            silenced: whether somebody wants to hear nothing of alerts with these labels; asked
                only where something is due.
        """
        muted = _Muted(self._policy.inhibit, self._incidents.values(), silenced)
        due = [
            notification
            for webhook in self._policy.webhooks
            for group, incidents in self._grouped(webhook)
            for notification in self._due(webhook, group, incidents, now, muted)
        ]
        self._forget(now)
        return due

    def snapshot(self) -> dict[Key, Any]:
        """What changed since the last call, as JSON takes it; None for what is forgotten."""
        changed = {key: self._state(key) for key in sorted(self._touched)}
        self._touched.clear()
        return changed

    def restore(self, snapshots: Mapping[Key, Any]) -> None:
        """Go on from what `snapshot` gave, the newest of each key."""
        known = {webhook.name for webhook in self._policy.webhooks}
        for (kind, *rest), state in snapshots.items():
            if kind == "sent":
                self._sent[tuple(rest)] = state
            else:
                incident = self._incidents[rest[0]] = _Incident.from_json(state)
                # Who is gone from the policy will not be told of the end.
                incident.told = {name: i for name, i in incident.told.items() if name in known}

    def _grouped(self, webhook: Webhook) -> Iterator[tuple[dict[str, str], list[_Incident]]]:
        groups: dict[Key, list[_Incident]] = {}
        for _name, incident in sorted(self._incidents.items()):
            if _concerns(incident, webhook):
                key = tuple(incident.labels[name] for name in webhook.group_by)
                groups.setdefault(key, []).append(incident)
        for key, incidents in sorted(groups.items()):
            yield self._scope | dict(zip(webhook.group_by, key, strict=True)), incidents

    def _due(
        self,
        webhook: Webhook,
        group: Mapping[str, str],
        incidents: list[_Incident],
        now: int,
        muted: _Muted,
    ) -> Iterator[Notification]:
        name, key = webhook.name, _key(webhook, group)
        sent = self._sent.get(key)
        ended = self._ended(name, incidents, muted)
        fresh = [each for each in incidents if each.fires and each.is_news(name)]
        known = [each for each in incidents if each.fires and name in each.told]
        pressing = {each for each in (*ended, *fresh) if _is_ready(each, webhook, sent, now)}
        if sent is not None and now >= sent + _micros(webhook.repeat_interval_seconds):
            pressing.update(known)
        if not pressing:
            return
        heard = [*ended, *(each for each in (*fresh, *known) if each not in muted)]
        if pressing.isdisjoint(heard):
            return
        listed = {each.alert["id"]: each.alert for each in heard}
        for each in heard:
            self._mark(each, name)
        for each in set(known).difference(heard):
            self._mark(each, name, _LEFT_OUT)
        self._sent[key] = now
        self._touched.add(("sent", *key))
        # What was told before and is muted now still fires: the group is not over.
        firing = any(each.fires and name in each.told for each in incidents)
        alerts = list(listed.values())
        for start in range(0, len(alerts), _MOST_ALERTS):
            some = alerts[start : start + _MOST_ALERTS]
            yield Notification.of(name, group, some, now, firing=firing)

    def _ended(
        self, endpoint: str, incidents: Iterable[_Incident], muted: _Muted
    ) -> list[_Incident]:
        """Those whose end is to be told; what is over before anybody heard of it is not."""
        ended = []
        for each in incidents:
            if not each.fires and each.is_news(endpoint):
                if endpoint in each.told or each not in muted:
                    ended.append(each)
                else:
                    self._mark(each, endpoint)
        return ended

    def _forget(self, now: int) -> None:
        """Let go of incidents whose end was told to all, and of groups that may begin anew."""
        for name, incident in list(self._incidents.items()):
            if not incident.fires and not any(
                _concerns(incident, webhook) and incident.is_news(webhook.name)
                for webhook in self._policy.webhooks
            ):
                del self._incidents[name]
                self._touch(name)
        intervals = {
            webhook.name: _micros(webhook.group_interval_seconds)
            for webhook in self._policy.webhooks
        }
        old = [key for key, sent in self._sent.items() if now >= sent + intervals.get(key[0], 0)]
        if not old:
            return
        in_use = {
            _key(webhook, group)
            for webhook in self._policy.webhooks
            for group, _incidents in self._grouped(webhook)
        }
        for key in old:
            if key not in in_use:
                del self._sent[key]
                self._touched.add(("sent", *key))

    def _mark(self, incident: _Incident, endpoint: str, told: str | None = None) -> None:
        """Remember what the endpoint was told last; its newest alert by default."""
        incident.told[endpoint] = incident.alert["id"] if told is None else told
        self._touch(incident.alert["incident"])

    def _touch(self, incident: str) -> None:
        self._touched.add(("incident", incident))

    def _state(self, key: Key) -> Any:
        if key[0] == "sent":
            return self._sent.get(key[1:])
        incident = self._incidents.get(key[1])
        return None if incident is None else incident.to_json()


def _concerns(incident: _Incident, webhook: Webhook) -> bool:
    """Whether an endpoint asked for such alerts, or was told of this one when it did."""
    return incident.alert["severity"] in webhook.severities or webhook.name in incident.told


def _key(webhook: Webhook, group: Mapping[str, str]) -> Key:
    return (webhook.name, *(group[label] for label in webhook.group_by))


def _is_ready(incident: _Incident, webhook: Webhook, sent: int | None, now: int) -> bool:
    """Whether news of the group need not wait for more of them."""
    if incident.hurries:
        return True
    waited = incident.since + _micros(webhook.group_wait_seconds)
    interval = 0 if sent is None else sent + _micros(webhook.group_interval_seconds)
    return now >= max(waited, interval)


def _micros(seconds: float) -> int:
    return round(seconds * 1e6)
