"""The topics that Kedge needs, created where they are missing."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kedge.contracts import LONGEST_MESSAGE, Topics
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams.clients import LONGEST_LETTER, Options, admin

STATEFUL = (
    "profiler",
    "monitor",
    "auditor",
    "evaluator",
    "assessor",
    "alerting",
    "webhooks",
    "deadletters",
)
"""Who remembers something, in a compacted topic partitioned like the input."""

_TIMEOUT = 30.0
_STATE_SEGMENT = 2 * LONGEST_MESSAGE
_STATE_LAG_MS = 120_000
"""How long a value that was written over may stay in a state: what a start reads in vain."""
_STATE_GRACE_MS = 600_000
"""How long a deletion stays in a state: far longer than it takes to read one."""


def create_topics(kafka: Options, settings: Settings) -> list[str]:
    """Create those of Kedge's topics that are missing.

    Returns:
        Names of the topics made.

    Raises:
        KedgeError: the broker refused, or did not answer in time.
    """
    client = admin(kafka)
    try:
        existing = client.list_topics(timeout=_TIMEOUT).topics
    except KafkaException as error:
        raise KedgeError(
            f"the broker at {kafka.get('bootstrap.servers')} does not answer: {error}. "
            "See `kedge broker status`, or set KEDGE_KAFKA__BOOTSTRAP_SERVERS."
        ) from error
    wanted = _wanted(settings)
    missing = [topic for topic in wanted if topic.topic not in existing]
    made: list[str] = []
    for name, result in (
        client.create_topics(missing, request_timeout=_TIMEOUT).items() if missing else ()
    ):
        try:
            result.result()
            made.append(name)
        except KafkaException as error:
            # Another process was quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise KedgeError(f"topic {name} could not be created: {error}") from error
    _await_leaders(client, [topic.topic for topic in wanted])
    return made


# A broker that has just made a topic needs a moment until it answers for each partition.
@retry(
    retry=retry_if_exception_type(KafkaException),
    stop=stop_after_delay(_TIMEOUT),
    wait=wait_fixed(0.05),
    reraise=True,
)
def _await_leaders(client: AdminClient, topics: list[str]) -> None:
    known = client.list_topics(timeout=_TIMEOUT).topics
    if any(topic not in known for topic in topics):
        raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
    partitions = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in known[topic].partitions
    ]
    asked = client.list_offsets(dict.fromkeys(partitions, OffsetSpec.latest()))
    for answer in asked.values():
        answer.result()


def _wanted(settings: Settings) -> list[NewTopic]:
    topics, stream = Topics(settings.topic_prefix), settings.stream
    compacted = {"cleanup.policy": "compact"}

    def topic(name: str, partitions: int, config: dict[str, str]) -> NewTopic:
        return NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=stream.replication_factor,
            config={"max.message.bytes": str(LONGEST_MESSAGE)} | config,
        )

    plain = (
        topics.profiles,
        topics.performance,
        topics.statistics,
        topics.alerts,
        topics.notifications,
    )
    # Arrival is the broker's to say: event times are held against it and duplicates forgotten by
    # it, and a producer's own clock would vouch for itself. Accounts are put into windows by it.
    arrived = {"message.timestamp.type": "LogAppendTime"}
    # A state is read whole at a start, so it has to stay short. Compaction works on closed segments
    # only, waits until half of the log is new, and leaves deletions there for a day if nothing else
    # is said. The lag closes a segment and has it compacted, however little is in it.
    remembered = compacted | {
        "segment.bytes": str(_STATE_SEGMENT),
        "max.compaction.lag.ms": str(_STATE_LAG_MS),
        "delete.retention.ms": str(_STATE_GRACE_MS),
    }
    return [
        topic(topics.predictions, stream.partitions, arrived),
        topic(topics.accounts, stream.partitions, arrived),
        topic(topics.outcomes, stream.partitions, arrived),
        *(topic(name, stream.partitions, {}) for name in plain),
        topic(topics.deadletter, stream.partitions, {"max.message.bytes": str(LONGEST_LETTER)}),
        topic(topics.releases, 1, compacted),
        *(topic(topics.state(service), stream.partitions, remembered) for service in STATEFUL),
    ]
