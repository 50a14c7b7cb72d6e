"""What came of it all: read from the topics, the archive and the receiver."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from chaos.world import PARTITIONS, World
from kedge.archive import connect
from kedge.contracts import Record, decode
from kedge.streams import CommittedLog

_PATIENCE = 180.0
"""Seconds without any progress after which what is missing is lost."""


@dataclass(slots=True)
class Found:
    """Everything that was committed, archived and delivered."""

    profiles: list[Record]
    statistics: list[Record]
    alerts: list[Record]
    releases: list[Record]
    letters: list[Record]
    accounts: list[Record]
    archived: list[tuple[str, int]] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)

    @property
    def newest_alerts(self) -> set[str]:
        """Ids of the newest of each incident: one that was over before it could be told is not."""
        return set({alert["incident"]: alert["id"] for alert in self.alerts}.values())

    @property
    def newest(self) -> dict[tuple[int, int], Record]:
        """The newest revision of each window, by release and start."""
        return self._newest("predictions")

    @property
    def performance(self) -> dict[tuple[int, int], Record]:
        """The newest performance of each window, likewise."""
        return self._newest("performance")

    def _newest(self, part: str) -> dict[tuple[int, int], Record]:
        found: dict[tuple[int, int], Record] = {}
        for record in self.statistics:
            if (record["clock"], record["part"]) != ("event", part):
                continue
            key = record["release"], record["window_start"]
            if key not in found or found[key]["revision"] < record["revision"]:
                found[key] = record
        return found


class Observer:
    """Reads on in the topics, the archive and the receiver."""

    def __init__(self, world: World) -> None:
        self._world = world
        kafka, topics = world.settings.kafka, world.topics
        self._logs = {
            name: [CommittedLog(kafka, topic, p) for p in range(partitions)]
            for name, topic, partitions in (
                ("profiles", topics.profiles, PARTITIONS),
                ("statistics", topics.statistics, PARTITIONS),
                ("alerts", topics.alerts, PARTITIONS),
                ("letters", topics.deadletter, PARTITIONS),
                ("accounts", topics.accounts, PARTITIONS),
                ("releases", topics.releases, 1),
            )
        }
        self._records: dict[str, list[Record]] = {name: [] for name in self._logs}
        self._archive = connect(world.settings.archive_url)

    def close(self) -> None:
        for log in (log for logs in self._logs.values() for log in logs):
            log.close()
        self._archive.close()

    def look(self) -> Found:
        """All there is by now."""
        for name, logs in self._logs.items():
            for log in logs:
                self._records[name] += [
                    decode(value)[1] for _key, value in log.news() if value is not None
                ]
        archived = self._archive.sql("SELECT id, kafka_partition FROM predictions").fetchall()
        delivered = [a["id"] for each in self._world.receiver.deliveries for a in each.alerts]
        return Found(**self._records, archived=archived, delivered=delivered)

    def until(self, done: Callable[[Found], list[object]]) -> Found:
        """Look until `done` gives a pair of equal lists; as long as anything moves."""
        before, deadline = None, time.monotonic() + _PATIENCE
        while True:
            found = self.look()
            wanted, progress = done(found)
            if progress == wanted or time.monotonic() > deadline:
                return found
            if progress != before:
                before, deadline = progress, time.monotonic() + _PATIENCE
            time.sleep(0.5)


class Pulse:
    """How far everything has come from the predictions to the statistics."""

    def __init__(self, world: World) -> None:
        kafka, topic = world.settings.kafka, world.topics.statistics
        self._logs = [CommittedLog(kafka, topic, p) for p in range(PARTITIONS)]
        self._newest = 0

    def close(self) -> None:
        for log in self._logs:
            log.close()

    def newest(self) -> int:
        """The start of the newest window that has statistics; 0 before the first."""
        with suppress(KafkaException):
            for log in self._logs:
                for _key, value in log.news():
                    record = decode(value)[1]
                    if (record["clock"], record["part"]) == ("event", "predictions"):
                        self._newest = max(self._newest, record["window_start"])
        return self._newest


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the table."""

    what: str
    expected: object
    found: object

    @property
    def holds(self) -> bool:
        return self.expected == self.found
