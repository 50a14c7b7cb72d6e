"""The exactly-once loop on the real broker, with a processor that adds up numbers."""

import os
import threading
from collections import Counter

import pytest
from confluent_kafka.admin import NewTopic

from kedge.contracts import Topics, UnreadableMessageError, decode
from kedge.streams import (
    CommittedLog,
    Outgoing,
    Source,
    TryAgainError,
    run_transactionally,
)
from kedge.streams.clients import admin
from services import committed, eventually, produce, running


class Adder:
    """Keeps the sum of each partition in the state topic, and passes every number on."""

    def __init__(self, settings, trouble=lambda _: None):
        self._kafka, self._topics = settings.kafka, Topics(settings.topic_prefix)
        self._trouble, self._sums = trouble, {}

    def assigned(self, partition):
        self._sums[partition] = 0
        with CommittedLog(self._kafka, self._topics.state("monitor"), partition) as log:
            for _, value in log.news():
                self._sums[partition] = int(value)

    def revoked(self, partition):
        self._sums.pop(partition, None)

    def rows(self, _message):
        return 3

    def idle(self, _now):
        return ()

    def process(self, batch):
        for message in batch:
            # State is changed before trouble comes, as it would be in life.
            self._sums[message.partition] += int(message.value.strip(b"!?"))
            self._trouble(message)
            yield Outgoing(self._topics.statistics, None, message.value)
        for partition in {message.partition for message in batch}:
            total = str(self._sums[partition]).encode()
            yield Outgoing(self._topics.state("monitor"), b"sum", total, partition)


def _service(trouble=lambda _: None):
    def run(settings, stop):
        topics = Topics(settings.topic_prefix)
        source = Source(topics.predictions, "adder", f"{settings.topic_prefix}.adder")
        run_transactionally(source, Adder(settings, trouble), settings.kafka, settings, stop)

    return run


def _total(settings):
    topics = Topics(settings.topic_prefix)
    total = 0
    for partition in range(2):
        with CommittedLog(settings.kafka, topics.state("monitor"), partition) as log:
            total += int(dict(log.news()).get(b"sum") or 0)
    return total


def _seen(settings):
    return Counter(committed(settings.kafka, Topics(settings.topic_prefix).statistics))


def _numbers(count):
    return [str(i).encode() for i in range(count)]


def test_state_and_outputs_survive_a_restart_and_a_second_process(settings):
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.predictions, _numbers(500))
    with running(_service(), settings=settings):
        eventually(lambda: _seen(settings).total(), lambda n: n == 500)
    produce(settings.kafka, topics.predictions, _numbers(500))
    with running(_service(), _service(), settings=settings):
        produce(settings.kafka, topics.predictions, _numbers(500))
        eventually(lambda: _seen(settings).total(), lambda n: n == 1500)
    assert _seen(settings) == Counter(dict.fromkeys(_numbers(500), 3))
    assert _total(settings) == 3 * sum(range(500))


@pytest.mark.parametrize(
    ("mark", "error", "reason"),
    [
        (b"!", UnreadableMessageError("not a number"), "unreadable"),
        (b"?", ZeroDivisionError("oh"), "crashed"),
    ],
)
def test_poison_is_isolated_and_nothing_else_is_lost(settings, mark, error, reason):
    topics = Topics(settings.topic_prefix)

    def trouble(message):
        if message.value.endswith(mark):
            raise error

    numbers = _numbers(200)
    poison = [numbers[7] + mark, numbers[150] + mark]
    produce(settings.kafka, topics.predictions, [*numbers[:90], *poison, *numbers[90:]])
    with running(_service(trouble), settings=settings):
        letters = eventually(
            lambda: committed(settings.kafka, topics.deadletter), lambda found: len(found) == 2
        )
        eventually(lambda: _seen(settings).total(), lambda n: n == 200)
    assert _seen(settings) == Counter(numbers)
    assert _total(settings) == sum(range(200))
    records = [decode(letter, "dead_letter")[1] for letter in letters]
    assert sorted(record["value"] for record in records) == sorted(poison)
    assert {(record["reason"], record["rows"]) for record in records} == {
        (reason, 0 if reason == "unreadable" else 3)
    }
    assert {record["topic"] for record in records} == {topics.predictions}
    assert all(str(error.args[0]) in record["detail"] for record in records)


def test_what_stands_in_the_way_of_all_is_waited_for(settings):
    topics = Topics(settings.topic_prefix)
    refused = threading.Semaphore(3)

    def trouble(_message):
        if refused.acquire(blocking=False):
            raise TryAgainError("the registry is locked")

    produce(settings.kafka, topics.predictions, _numbers(50))
    with running(_service(trouble), settings=settings):
        eventually(lambda: _seen(settings).total(), lambda n: n == 50)
    assert _seen(settings) == Counter(_numbers(50))
    assert _total(settings) == sum(range(50))
    assert committed(settings.kafka, topics.deadletter) == []


def test_an_aborted_transaction_is_repeated_with_the_state_from_before_it(settings):
    """The broker refuses a message in the middle of a transaction: too large for its topic."""
    topics = Topics(settings.topic_prefix)
    small = f"{settings.topic_prefix}.small"
    client = admin(settings.kafka)
    for future in client.create_topics(
        [NewTopic(small, 1, 1, config={"max.message.bytes": "2000"})]
    ).values():
        future.result()
    attempts = []

    class Careless(Adder):
        def process(self, batch):
            yield from super().process(batch)
            attempts.append(len(batch))
            if len(attempts) <= 2 and len(batch) > 1:
                yield Outgoing(small, None, os.urandom(50_000))

    def run(settings, stop):
        source = Source(topics.predictions, "adder", f"{settings.topic_prefix}.adder")
        run_transactionally(source, Careless(settings), settings.kafka, settings, stop)

    produce(settings.kafka, topics.predictions, _numbers(100))
    with running(run, settings=settings):
        eventually(lambda: _seen(settings).total(), lambda n: n == 100)
    assert len(attempts) > 2
    assert _seen(settings) == Counter(_numbers(100))
    assert _total(settings) == sum(range(100))
    assert committed(settings.kafka, small, partitions=1) == []
