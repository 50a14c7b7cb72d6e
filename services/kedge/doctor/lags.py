"""How far each service is behind, in messages, from the offsets that it has committed."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from kedge.archive import SCHEMAS
from kedge.contracts import Topics
from kedge.doctor.books import Lag
from kedge.streams import CommittedLog
from kedge.streams.clients import Options

_TIMEOUT = 30.0
_FEW = 10_000
"""Offsets that are looked at one by one."""

Offsets = dict[tuple[str, int], int]


def lags(
    client: AdminClient, kafka: Options, topics: Topics, partitions: dict[str, int]
) -> list[Lag]:
    """What each service has before it; nothing of those that are up to date.

    The profiler, the monitor and the archiver are always looked at, the others once they have
    begun: without a policy, nobody alerts.
    """
    found = []
    for service, read in _services(client, topics):
        committed = committed_offsets(client, f"{topics.prefix}.{service}")
        if not committed and service not in _ALWAYS:
            continue
        wanted = [(topic, p) for topic in read for p in range(partitions.get(topic, 0))]
        begins, ends = (_offsets(client, wanted, spec) for spec in _BOUNDS)
        for place in wanted:
            start = max(committed.get(place, 0), begins[place])
            if ends[place] > start:
                messages = _messages(kafka, place, start, ends[place])
                if messages:
                    found.append(Lag(service, *place, messages))
    return found


_ALWAYS = ("profiler", "monitor", "archiver")
_BOUNDS = (OffsetSpec.earliest(), OffsetSpec.latest())


def _services(client: AdminClient, topics: Topics) -> Iterator[tuple[str, list[str]]]:
    """Services by the names of their groups, and the topics that they read."""
    yield "profiler", [topics.predictions]
    yield "monitor", [topics.profiles]
    yield "auditor", [topics.accounts]
    yield "evaluator", [topics.outcomes]
    yield "assessor", [topics.performance]
    yield "alerting", [topics.statistics]
    yield "webhooks", [topics.alerts]
    yield "archiver", [getattr(topics, dataset) for dataset in SCHEMAS]
    endpoints = f"{topics.prefix}.webhooks."
    groups = client.list_consumer_groups(request_timeout=_TIMEOUT).result().valid
    for group in sorted(each.group_id for each in groups):
        if group.startswith(endpoints):
            yield group.removeprefix(f"{topics.prefix}."), [topics.notifications]


def committed_offsets(client: AdminClient, group: str) -> Offsets:
    """Where a consumer group goes on, by topic and partition; empty where it never was."""
    asked = client.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT
    )
    answer = asked[group].result()
    return {
        (each.topic, each.partition): each.offset
        for each in answer.topic_partitions
        if each.offset >= 0
    }


def _offsets(client: AdminClient, places: list[tuple[str, int]], spec: OffsetSpec) -> Offsets:
    asked = client.list_offsets(
        {TopicPartition(*place): spec for place in places},
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=_TIMEOUT,
    )
    return {(where.topic, where.partition): int(f.result().offset) for where, f in asked.items()}


def _messages(kafka: Options, place: tuple[str, int], start: int, end: int) -> int:
    """How many there are: some offsets are the markers of transactions and no messages."""
    if end - start > _FEW:
        return end - start
    with CommittedLog(kafka, *place, start) as log:
        return sum(1 for _ in log.news())
