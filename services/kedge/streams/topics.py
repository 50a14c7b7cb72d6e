"""The topics that Kedge needs, created where they are missing."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from kedge.contracts import Topics
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams.clients import Options, admin

STATEFUL = ("monitor", "alerting")
"""Services that remember something, in a compacted topic partitioned like their input."""

_TIMEOUT = 30.0
LONGEST_MESSAGE = 8 * 1024 * 1024


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
    wanted = [topic for topic in _wanted(settings) if topic.topic not in existing]
    made: list[str] = []
    for name, result in (
        client.create_topics(wanted, request_timeout=_TIMEOUT).items() if wanted else ()
    ):
        try:
            result.result()
            made.append(name)
        except KafkaException as error:
            # Another process was quicker.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise KedgeError(f"topic {name} could not be created: {error}") from error
    return made


def _wanted(settings: Settings) -> list[NewTopic]:
    topics, stream = Topics(settings.topic_prefix), settings.stream
    compacted = {"cleanup.policy": "compact"}

    def topic(name: str, partitions: int, config: dict[str, str]) -> NewTopic:
        return NewTopic(
            name,
            num_partitions=partitions,
            replication_factor=stream.replication_factor,
            config={"max.message.bytes": str(LONGEST_MESSAGE), **config},
        )

    plain = (
        topics.predictions,
        topics.outcomes,
        topics.profiles,
        topics.statistics,
        topics.alerts,
        topics.deadletter,
    )
    return [
        *(topic(name, stream.partitions, {}) for name in plain),
        topic(topics.releases, 1, compacted),
        *(topic(topics.state(service), stream.partitions, compacted) for service in STATEFUL),
    ]
