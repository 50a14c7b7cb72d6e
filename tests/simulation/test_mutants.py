"""A simulation that can't fail proves nothing: each of these loops is wrong, and it tells."""

from unittest import mock

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaException, TopicPartition

import kedge.streams.loop
from kedge.streams import CommittedLog
from kedge.streams.clients import consumer
from kedge.streams.loop import _Loop
from simulation.adding import Adding
from simulation.broker import ViolationError

SEEDS = 60
"""Schedules within which a mutant has to be caught."""


class OffsetsOutsideTheTransaction(_Loop):
    def _commit(self, outputs, batch):
        outputs = list(outputs)
        if not outputs and not batch:
            return True
        following = self._following(batch)
        group = self._consumer._group
        self._producer.begin_transaction()
        try:
            for output in outputs:
                self._produce(output)
            self._insist(lambda: self._producer.commit_transaction(30))
        except KafkaException as error:
            if not error.args[0].txn_requires_abort():
                raise
            self._insist(lambda: self._producer.abort_transaction(30))
            return False
        self._consumer._process.turn("commit offsets")
        group.committed.update(following)
        self._assigned.update(following)
        return True


class NoRewindAfterAbort(_Loop):
    def _rewind(self, batch):
        del batch
        self._restore()


class NoStateAfterAbort(_Loop):
    def _rewind(self, batch):
        with mock.patch.object(self, "_restore"):
            super()._rewind(batch)


class NoFencingByGeneration(_Loop):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        consumer = self._consumer

        def newest():
            group = consumer._group
            member = group.members[0] if group.members else None
            return (consumer._group_name, member, group.generation)

        consumer.consumer_group_metadata = newest


class IdleWithoutOffsets(_Loop):
    """As it was until the simulation found what comes of it."""

    def _following(self, batch):
        return super()._following(batch) if batch else {}


class OffsetsNotStable(_Loop):
    """Takes over from the offset before that of a commit which is under way."""

    def _on_assign(self, client, partitions):
        def committed(partitions, timeout):
            del timeout
            client._process.turn("committed, at once")
            found = client._group.committed
            return [
                TopicPartition(p.topic, p.partition, found.get(p.partition, OFFSET_INVALID))
                for p in partitions
            ]

        with mock.patch.object(client, "committed", committed):
            super()._on_assign(client, partitions)


class RevokedMessagesToo(_Loop):
    """As it was until the simulation found what comes of it."""

    def _consume(self):
        class Everything(dict):
            __contains__ = lambda *_: True  # noqa: E731

        ours = self._assigned
        self._assigned = Everything(ours)
        try:
            return super()._consume()
        finally:
            self._assigned = dict(self._assigned)


class CarefulDropsMessages(_Loop):
    def _advance(self, batch):
        careful = self._careful
        super()._advance(batch)
        if not careful and self._careful:
            self._careful -= 1
            self._consumer.poll(0.1)


class PoisonWithoutRestoring(_Loop):
    def _isolated(self, message, error):
        letter = super()._isolated(message, error)
        self._restore = lambda: self.__dict__.pop("_restore")
        return letter


class OffsetOfTheLastMessage(_Loop):
    def _following(self, batch):
        return {p: offset - bool(batch) for p, offset in super()._following(batch).items()}


class RefusedForEver(_Loop):
    """As it was before there was a rule for what is too large."""

    def _note_refusal(self, error, topic):
        pass


@pytest.mark.parametrize(
    ("mutant", "first"),
    [
        (OffsetsOutsideTheTransaction, 0),
        (NoRewindAfterAbort, 0),
        (NoStateAfterAbort, 0),
        (NoFencingByGeneration, 0),
        (CarefulDropsMessages, 0),
        (PoisonWithoutRestoring, 0),
        (OffsetOfTheLastMessage, 0),
        (RevokedMessagesToo, 0),
        # These show in one schedule of thirty to two hundred: the search begins where they do.
        (OffsetsNotStable, 116),
        (IdleWithoutOffsets, 204),
    ],
)
def test_a_loop_that_is_wrong_is_caught(mutant, first):
    with mock.patch.object(kedge.streams.loop, "_Loop", mutant):
        assert _caught(first)


def test_a_table_that_stops_at_the_first_open_transaction_is_caught():
    """`CommittedLog` as it was until the simulation found what comes of it."""

    def stable_end(log):
        where = log._where
        return log._consumer._broker.partition(where.topic, where.partition).stable_end

    with mock.patch.object(CommittedLog, "_end", stable_end):
        assert _caught()


def test_a_consumer_that_reads_uncommitted_is_caught():
    def careless(kafka, group, **options):
        return consumer({**kafka, "isolation.level": "read_uncommitted"}, group, **options)

    with (
        mock.patch.object(kedge.streams.loop, "consumer", careless),
        mock.patch.object(kedge.streams.committed, "consumer", careless),
    ):
        assert _caught()


def test_a_loop_that_is_stuck_at_what_is_too_large_is_caught():
    with mock.patch.object(kedge.streams.loop, "_Loop", RefusedForEver):
        assert _caught(oversized=True)
    # The abort that follows a refusal is taken for another trouble, and all begins anew.
    with mock.patch.object(kedge.streams.loop, "_ATTEMPTS", 1):
        assert _caught(oversized=True)


def _caught(first=0, **how):
    for seed in range(first, first + SEEDS):
        try:
            Adding(seed, **how).run()
        except ViolationError:
            return True
    return False
