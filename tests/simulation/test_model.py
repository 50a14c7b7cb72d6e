"""The model tells the truth: the same scenario on it and on the real broker, with one outcome."""

import os
import uuid
from types import SimpleNamespace

import pytest
from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec

from kedge.contracts import LONGEST_MESSAGE, Topics
from kedge.streams import CommittedLog
from kedge.streams.clients import admin, consumer, producer
from simulation.seam import installed
from simulation.world import Shape, World


def _producer(place, name):
    client = producer(place.kafka, transactional_id=f"{place.prefix}.{name}")
    client.init_transactions(30)
    return client


def _begun(client, place, *values):
    """A transaction with these messages, which the broker has."""
    client.begin_transaction()
    for value in values:
        client.produce(place.topic, value, b"k", 0)
    client.flush()


def _error(call):
    try:
        call()
    except KafkaException as error:
        failure = error.args[0]
        return {"fatal": failure.fatal(), "abort": failure.txn_requires_abort()}
    return None


def _ends(place):
    where, client = TopicPartition(place.topic, 0), admin(place.kafka)
    levels = (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED)
    asked = [client.list_offsets({where: OffsetSpec.latest()}, isolation_level=i) for i in levels]
    return [int(answer[where].result().offset) for answer in asked]


def _values(place):
    with CommittedLog(place.kafka, place.topic, 0) as log:
        return [value for _, value in log.news()]


def a_newer_producer_fences_the_older(place):
    older = _producer(place, "same")
    _begun(older, place, b"older")
    newer = _producer(place, "same")
    _begun(newer, place, b"newer")
    failed = _error(lambda: older.commit_transaction(30))
    newer.commit_transaction(30)
    return failed, _values(place)


def aborted_messages_are_not_seen_and_markers_take_offsets(place):
    client = _producer(place, "one")
    _begun(client, place, b"a")
    client.commit_transaction(30)
    _begun(client, place, b"b", b"b")
    client.abort_transaction(30)
    _begun(client, place, b"c")
    client.commit_transaction(30)
    values = _values(place)
    return values, _ends(place)


def an_open_transaction_hides_what_was_committed_behind_it(place):
    one, other = _producer(place, "one"), _producer(place, "other")
    _begun(one, place, b"first")
    one.commit_transaction(30)
    _begun(one, place, b"open")
    _begun(other, place, b"committed")
    other.commit_transaction(30)
    with CommittedLog(place.kafka, place.topic, 0) as log:
        news = log.news()
        found = [next(news)[1]]
        stable = _ends(place)[0]
        one.abort_transaction(30)
        # The table waits for what is behind, and has it.
        found += [value for _, value in news]
    return stable, found


def _member(place):
    assigned = []
    client = consumer(place.kafka, f"{place.prefix}.group")
    client.subscribe([place.topic], on_assign=lambda _, found: assigned.extend(found))
    for _ in range(600):
        if assigned:
            break
        client.consume(1, 0.1)
    return client


def _offset(place, client):
    (where,) = client.committed([TopicPartition(place.topic, 0)], timeout=1)
    return where.offset


def offsets_wait_for_their_transaction(place):
    member, client = _member(place), _producer(place, "one")
    outcomes = []
    for end in (client.abort_transaction, client.commit_transaction):
        _begun(client, place, b"x")
        offsets = [TopicPartition(place.topic, 0, 7)]
        client.send_offsets_to_transaction(offsets, member.consumer_group_metadata(), 30)
        outcomes.append(_error(lambda: _offset(place, member)))
        end(30)
        outcomes.append(_settled(place, member))
    member.close()
    return outcomes


def _settled(place, client):
    """The offset, once the transaction's markers are written."""
    for _ in range(60):
        try:
            return _offset(place, client)
        except KafkaException:
            continue
    return None


def a_former_member_commits_no_offsets(place):
    member, client = _member(place), _producer(place, "one")
    metadata = member.consumer_group_metadata()
    member.close()
    _begun(client, place, b"x")
    offsets = [TopicPartition(place.topic, 0, 7)]
    failed = _error(lambda: client.send_offsets_to_transaction(offsets, metadata, 30))
    client.abort_transaction(30)
    return failed, _values(place)


def nothing_stops_a_former_member_that_sends_no_offsets(place):
    member, client = _member(place), _producer(place, "one")
    metadata = member.consumer_group_metadata()
    member.close()
    _begun(client, place, b"x")
    failed = _error(lambda: client.send_offsets_to_transaction([], metadata, 30))
    client.commit_transaction(30)
    return failed, _values(place)


def a_refused_message_costs_the_next_transaction_too(place):
    client, outcomes, refused = _producer(place, "one"), [], []

    def delivered(error, message):
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            refused.append(message.topic() == place.topic)

    for value in (os.urandom(LONGEST_MESSAGE + 1_000_000), b"b", b"c"):
        client.begin_transaction()
        client.produce(place.topic, value, b"k", 0, on_delivery=delivered)
        outcomes.append(_error(lambda: client.commit_transaction(30)))
        if outcomes[-1] is not None:
            client.abort_transaction(30)
    return outcomes, refused, _values(place)


SCENARIOS = {
    a_newer_producer_fences_the_older: ({"fatal": True, "abort": False}, [b"newer"]),
    aborted_messages_are_not_seen_and_markers_take_offsets: ([b"a", b"c"], [7, 7]),
    an_open_transaction_hides_what_was_committed_behind_it: (2, [b"first", b"committed"]),
    offsets_wait_for_their_transaction: [
        {"fatal": False, "abort": False},
        -1001,
        {"fatal": False, "abort": False},
        7,
    ],
    a_former_member_commits_no_offsets: ({"fatal": False, "abort": True}, []),
    nothing_stops_a_former_member_that_sends_no_offsets: (None, [b"x"]),
    a_refused_message_costs_the_next_transaction_too: (
        [{"fatal": False, "abort": True}, {"fatal": False, "abort": True}, None],
        [True],
        [b"c"],
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_on_the_real_broker(scenario, settings):
    topic = Topics(settings.topic_prefix).predictions
    place = SimpleNamespace(kafka=settings.kafka, topic=topic, prefix=settings.topic_prefix)
    assert scenario(place) == SCENARIOS[scenario]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("seed", range(5))
def test_on_the_model(scenario, seed):
    place = SimpleNamespace(kafka={}, topic="t", prefix=uuid.uuid4().hex)
    outcomes = []
    world = World(
        seed, 1, lambda _: outcomes.append(scenario(place)), lambda: False, lambda: bool(outcomes)
    )
    world.calm, world.shape = True, Shape(slots=1, named=True, steps=0, rate=0, sticky=0)
    with installed(world):
        world.run()
    assert outcomes[0] == SCENARIOS[scenario]
