"""What endpoints were told, read back from the topic of notifications."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kedge.contracts import Topics, UnreadableMessageError, decode
from kedge.streams import CommittedLog
from kedge.streams.clients import Options, admin
from kedge.webhooks.notification import Notification

_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Told:
    """Which notifications; None leaves open.

    Attributes:
        endpoint: that they were for.
        since: due at this time or later, microseconds since 1970.
        until: due before this time.
        name: of a notification, or of an alert or an incident that is in it.
    """

    endpoint: str
    since: int | None = None
    until: int | None = None
    name: str | None = None

    def __contains__(self, notification: Notification) -> bool:
        names = {notification.id}
        for alert in notification.alerts:
            names |= {alert["id"], alert["incident"], alert["fingerprint"]}
        return (
            notification.endpoint == self.endpoint
            and (self.since is None or notification.produced_at >= self.since)
            and (self.until is None or notification.produced_at < self.until)
            and self.name in {None, *names}
        )


def notifications(kafka: Options, topics: Topics, chosen: Told) -> list[Notification]:
    """Those that the topic still has, each once, the oldest first.

    Raises:
        KafkaException: the broker does not answer.
    """
    known = admin(kafka).list_topics(topics.notifications, timeout=_TIMEOUT).topics
    partitions = known[topics.notifications].partitions
    found = {
        each.id: each
        for partition in partitions
        for each in _read(kafka, topics.notifications, partition)
        if each in chosen
    }
    return sorted(found.values(), key=lambda each: each.produced_at)


def _read(kafka: Options, topic: str, partition: int) -> Iterator[Notification]:
    with CommittedLog(kafka, topic, partition) as log:
        for _key, value in log.news():
            try:
                yield Notification.from_record(decode(value, "notification")[1])
            except UnreadableMessageError:
                continue  # a dead letter tells of it already
