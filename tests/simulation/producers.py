"""What librdkafka's transactional producer does, on the model of the broker.

It keeps what it is to write and writes it when it likes; an error of that is told by a later call.
"""

from __future__ import annotations

import zlib

from confluent_kafka import OFFSET_INVALID, KafkaError

from kedge.contracts import LONGEST_MESSAGE
from simulation.broker import aborting, fenced, passing
from simulation.consumers import Delivered

_LONGEST = LONGEST_MESSAGE
_WAITS = 40
"""Turns after which a call that waits for the broker times out."""


class ModelProducer:
    def __init__(self, world, options, **_):
        self._world, self._process, self._broker = world, world.current, world.broker
        self._name = options["transactional.id"]
        assert options["enable.idempotence"]
        self._epoch = None
        self._buffer, self._transaction, self._broken, self._fatal = [], None, None, None
        self._ending = None
        # Where a message was refused: numbers go on behind it, which the broker does not take.
        self._skipped = set()
        self._reports = []

    def _call(self, label):
        self._process.turn(label)
        self._world.perhaps_passing(label)
        if self._fatal is not None:
            raise self._fatal

    def init_transactions(self, timeout):
        del timeout
        for _ in range(_WAITS):
            self._call("init")
            self._epoch = self._broker.take_name(self._name, self._process)
            if self._epoch is not None:
                return
        raise passing("the transaction before still ends")

    def begin_transaction(self):
        if self._fatal is not None:
            raise self._fatal
        self._transaction, self._broken, self._ending = None, None, None

    def produce(self, topic, value, key, partition, on_delivery=None):
        self._process.turn(f"produce {topic} {key} {value if len(value or b'') < 50 else ''}")
        if self._broken is not None:
            raise self._broken
        if partition < 0:
            partition = zlib.crc32(key or value or b"") % self._broker.partitions
        self._buffer.append((topic, partition, key, value, on_delivery))
        if self._world.chance(0.5):
            self._send()

    def poll(self, timeout):
        del timeout
        self._report()

    def _report(self):
        """Tell of what was not delivered."""
        while self._reports:
            on_delivery, error, topic = self._reports.pop(0)
            if on_delivery is not None:
                on_delivery(error, Delivered((topic, 0), OFFSET_INVALID, failed=error))

    def flush(self):
        while self._buffer:
            self._process.turn("flush")
            self._send()

    def _open(self):
        """The transaction at the broker; None while the one before still ends there."""
        try:
            if self._transaction is None:
                self._transaction = self._broker.transaction(self._name, self._epoch)
            else:
                self._broker.check(self._name, self._epoch)
        except Exception as error:
            self._fatal = error
            raise
        return self._transaction

    def _send(self):
        """What the client's own thread does: no error comes from here, the next call tells."""
        try:
            transaction = self._open()
        except Exception:  # noqa: BLE001 - kept in self._fatal
            return
        while transaction is not None and self._buffer:
            topic, partition, key, value, on_delivery = self._buffer.pop(0)
            if self._world.faulty(0.01):
                self._break(KafkaError._MSG_TIMED_OUT, "not delivered")
            elif len(value or b"") > self._broker.limits.get(topic, _LONGEST):
                error = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "refused by its topic")
                self._break(error.code(), error.str())
                self._reports.append((on_delivery, error, topic))
                self._skipped.add((topic, partition))
            elif (topic, partition) in self._skipped:
                self._break(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "skipped numbers")
                self._skipped.clear()
            else:
                self._broker.write(transaction, topic, partition, key, value)
                continue
            self._buffer.clear()

    def _break(self, code, text):
        self._broken = aborting(code, text)

    def send_offsets_to_transaction(self, offsets, member, timeout):
        del timeout
        if not offsets:
            return  # the broker is not asked
        group, membership, generation = member
        for _ in range(_WAITS):
            self._call(f"send_offsets {[(o.partition, o.offset) for o in offsets]}")
            if self._world.faulty(0.02):
                self._break(KafkaError.COORDINATOR_NOT_AVAILABLE, "whatever it was")
            if self._broken is not None:
                raise self._broken
            transaction = self._open()
            if transaction is not None:
                break
        else:
            raise passing("the transaction before still ends")
        wanted = {o.partition: o.offset for o in offsets}
        try:
            self._broker.commit_offsets(transaction, group, membership, generation, wanted)
        except Exception as error:
            self._broken = error
            raise
        self._world.perhaps_passing("send_offsets, after it was done")
        self._world.perhaps_sleep()

    def commit_transaction(self, timeout):
        del timeout
        for _ in range(_WAITS):
            self._call("commit")
            if self._ending == "commit":
                return
            if self._broken is None and self._buffer:
                self._send()
            if self._broken is not None:
                raise self._broken
            if self._fatal is not None:
                raise self._fatal
            if not self._buffer:
                break
        else:
            raise passing("the transaction before still ends")
        self._end("commit")

    def abort_transaction(self, timeout):
        del timeout
        self._call("abort")
        self._buffer.clear()
        self._report()
        if self._ending != "abort":
            self._end("abort")
        self._broken = None

    def _end(self, decision):
        if self._transaction is not None:
            try:
                self._broker.check(self._name, self._epoch)
            except Exception as error:
                self._fatal = error
                raise
            if self._transaction.decision != "open":
                self._fatal = fenced()
                raise self._fatal
            self._broker.decide(self._transaction, decision)
        self._ending = decision
        self._world.perhaps_passing(f"{decision}, after it was done")
