"""What librdkafka's consumer does, on the model of the broker: as much as Kedge uses of it.

Each call first hands the turn to the scheduler (`process.turn`), which may let others run, kill the
process there, or let the call fail.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from types import SimpleNamespace

from confluent_kafka import (
    OFFSET_INVALID,
    TIMESTAMP_LOG_APPEND_TIME,
    IsolationLevel,
    KafkaError,
    TopicPartition,
)

from simulation.broker import passing

_WAITS = 40
"""Turns after which a call that waits for the broker times out."""


@dataclass(frozen=True)
class Delivered:
    """A message, or what a consumer has to say instead of one."""

    where: tuple[str, int]
    at: int
    entry: object = None
    failed: KafkaError | None = None

    def error(self):
        return self.failed

    def topic(self):
        return self.where[0]

    def partition(self):
        return self.where[1]

    def offset(self):
        return self.at

    def key(self):
        return self.entry.key

    def value(self):
        return self.entry.value

    def headers(self):
        return None

    def timestamp(self):
        return (TIMESTAMP_LOG_APPEND_TIME, int(self.entry.arrival * 1000))


@dataclass(frozen=True, eq=False)
class Member:
    """One membership of a consumer in its group; after it was lost, the next is another."""

    process: object


class ModelConsumer:
    def __init__(self, world, options, **_):
        self._world, self._process = world, world.current
        self._broker = world.broker
        self._committed_only = options["isolation.level"] == "read_committed"
        self._with_eof = options.get("enable.partition.eof", False)
        self._group_name = options["group.id"]
        self._topic = None
        self._positions: dict[tuple[str, int], int | None] = {}
        self._told_end: dict[tuple[str, int], int] = {}
        self._member, self._generation, self._callbacks = None, -1, {}

    # By hand

    def assign(self, partitions):
        self._process.turn("assign")
        self._positions = {(p.topic, p.partition): p.offset for p in partitions}

    # As a member

    def subscribe(self, topics, **callbacks):
        self._process.turn("subscribe")
        (self._topic,) = topics
        self._callbacks = callbacks

    @property
    def _group(self):
        return self._broker.group(self._group_name)

    def _lost(self):
        return self._member is not None and self._member not in self._group.members

    def consumer_group_metadata(self):
        self._world.perhaps_sleep()
        self._process.turn("metadata")
        # The client's own thread follows the group while it owns what it owns.
        if not self._lost() and self._world.chance(0.7):
            self._generation = self._group.generation
        return (self._group_name, self._member, self._generation)

    def committed(self, partitions, timeout):
        del timeout
        group = self._group
        for _ in range(_WAITS):
            self._process.turn("committed")
            self._world.perhaps_passing("committed")
            if not any(group.unstable(p.partition) for p in partitions):
                return [
                    TopicPartition(
                        p.topic, p.partition, group.committed.get(p.partition, OFFSET_INVALID)
                    )
                    for p in partitions
                ]
        raise passing("offsets are not stable")

    def seek(self, where):
        self._process.turn(f"seek {where.partition}@{where.offset}")
        key = (where.topic, where.partition)
        if key in self._positions:
            self._positions[key] = where.offset

    def poll(self, timeout):
        found = self.consume(1, timeout)
        return found[0] if found else None

    def consume(self, count, timeout):
        self._process.turn("consume")
        found = []
        if self._topic is not None:
            # What came before a rebalance is given out after it: it lay in the same queue.
            if self._world.chance(0.5):
                found = self._gather(count)
            if self._rebalanced() and found:
                return found
        if not found:
            found = self._gather(count)
        if not found and timeout:
            self._world.pass_time(1.0)
        return found

    def close(self):
        self._process.turn("close")
        if self._topic is not None and self._member is not None:
            self._give_up("on_revoke", self._owned())
            self._group.leave(self._member)
            self._member = None

    def _owned(self):
        return sorted(number for _, number in self._positions)

    def _give_up(self, callback, numbers):
        if not numbers:
            return
        self._tell(callback, [TopicPartition(self._topic, n) for n in numbers])
        for number in numbers:
            del self._positions[self._topic, number]
            if self._group.owner.get(number) is self._member:
                self._group.owner[number] = None

    def _tell(self, callback, partitions):
        if callback in self._callbacks:
            self._callbacks[callback](self, partitions)

    def _rebalanced(self):
        """Serve one step of a rebalance; True when there was one.

        One step a call: librdkafka drops what it gathered from a partition that it gave up, if not
        before this call ends, then before the next step.
        """
        group = self._group
        if self._lost():
            self._give_up("on_lost", self._owned())
            self._member = None
            return True
        if self._member is None:
            self._member = Member(self._process)
            group.join(self._member)
        self._generation = group.generation
        unwanted = [n for n in self._owned() if group.target[n] is not self._member]
        if unwanted:
            self._give_up("on_revoke", unwanted)
            return True
        new = [
            n
            for n, target in sorted(group.target.items())
            if target is self._member and group.owner[n] is None
        ]
        if not new:
            return False
        member = self._member
        for number in new:
            group.owner[number] = member
        self._tell("on_assign", [TopicPartition(self._topic, n) for n in new])
        # The position is asked for when the callback is through.
        for number in new:
            self._positions[self._topic, number] = None
        return True

    def _gather(self, count):
        if self._topic is not None and self._world.faulty(0.01):
            error = KafkaError(KafkaError._TRANSPORT, "connection lost")
            return [Delivered((self._topic, 0), 0, failed=error)]
        found = []
        count = self._world.random.randint(1, count) if self._topic else count
        places = sorted(self._positions)
        self._world.random.shuffle(places)
        for where in places:
            found += self._fetch(where, count - len(found))
        return found

    def _fetch(self, where, count):
        position = self._positions[where]
        if position is None:
            if self._group.unstable(where[1]):
                return []
            position = self._group.committed.get(where[1], 0)
        partition = self._broker.partition(*where)
        end = partition.stable_end if self._committed_only else partition.end
        found = []
        for offset, entry in partition.messages(position, end, aborted=not self._committed_only):
            if len(found) == count:
                break
            found.append(Delivered(where, offset, entry))
            position = offset + 1
        else:
            position = max(position, end)
            untold = self._with_eof and self._told_end.get(where) != position
            if untold and len(found) < count:
                self._told_end[where] = position
                eof = KafkaError(KafkaError._PARTITION_EOF)
                found.append(Delivered(where, position, failed=eof))
        self._positions[where] = position
        return found


class ModelAdmin:
    def __init__(self, world, _options, **_):
        self._world, self._process = world, world.current

    def list_topics(self, topic, timeout):
        del topic, timeout
        self._process.turn("list_topics")

    def list_offsets(self, wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, **_):
        self._process.turn("list_offsets")
        answers = {}
        for where in wanted:
            partition = self._world.broker.partition(where.topic, where.partition)
            stable = isolation_level == IsolationLevel.READ_COMMITTED
            answers[where] = Future()
            answers[where].set_result(
                SimpleNamespace(offset=partition.stable_end if stable else partition.end)
            )
        return answers
