"""What Kedge's topics are made to keep, on the real broker."""

import time

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

from kedge.contracts import Topics
from kedge.streams import incoming
from kedge.streams.clients import admin, consumer
from kedge.streams.topics import STATEFUL
from services import PATIENCE, plain_producer


def test_a_producer_does_not_say_when_its_prediction_arrived(settings):
    kafka, topic = settings.kafka, Topics(settings.topic_prefix).predictions
    tomorrow = time.time_ns() // 1_000_000 + 86_400_000
    client = plain_producer(kafka)
    for stamp in (1000, tomorrow):
        client.produce(topic, b"", partition=0, timestamp=stamp)
    assert client.flush(PATIENCE) == 0
    reader = consumer(kafka, "test")
    reader.assign([TopicPartition(topic, 0, 0)])
    messages = reader.consume(2, PATIENCE)
    reader.close()
    assert [message.timestamp()[0] for message in messages] == [TIMESTAMP_LOG_APPEND_TIME] * 2
    assert all(1_000_000 < incoming(message).timestamp < tomorrow * 1000 for message in messages)


def test_what_was_written_over_does_not_stay_in_a_state(settings):
    client = admin(settings.kafka)
    names = [Topics(settings.topic_prefix).state(service) for service in STATEFUL]
    asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    for described in asked.values():
        config = {name: entry.value for name, entry in described.result().items()}
        assert config["cleanup.policy"] == "compact"
        # The broker closes a segment by the shorter of the two, so that it can be compacted.
        assert int(config["max.compaction.lag.ms"]) < int(config["segment.ms"])
        # No message is larger than a segment.
        assert int(config["segment.bytes"]) > int(config["max.message.bytes"])
