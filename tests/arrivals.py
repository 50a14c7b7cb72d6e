"""What loggers sent, read from the real broker cell by cell."""

from __future__ import annotations

import math
import time
import uuid

import numpy as np
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from kedge import LiveRelease
from kedge.contracts import State, decode, decode_predictions
from kedge.streams.clients import consumer

RELEASE = LiveRelease("flights", 3, "model-a", "code-b")


def until(holds, *, seconds=60.0):
    """Poll until `holds()` is true."""
    end = time.monotonic() + seconds
    while not (answer := holds()):
        assert time.monotonic() < end, "did not come true in time"
        time.sleep(0.01)
    return answer


def canonical(value):
    """A value so that equal means same: numbers as floats, NaN equal to itself.

    A vector of one number is that number, as in a message.
    """
    if isinstance(value, bool | np.bool_):
        return ("boolean", bool(value))
    if isinstance(value, int | float | np.number):
        return ("number", "nan" if math.isnan(value) else float(value))
    if isinstance(value, list | tuple | np.ndarray):
        items = tuple(canonical(float(item)) for item in value)
        return items[0] if len(items) == 1 else items
    return value


def rows_of(batch):
    """The rows of a decoded batch: by id, what was logged, read cell by cell."""
    rows = [
        {"features": {}, "outputs": {}, "imputed": set(), "error": batch.errors.get(at)}
        for at in range(batch.rows)
    ]
    for column in batch.columns:
        for at, row in enumerate(rows):
            state = State(column.states[at])
            if state is State.ABSENT:
                continue
            if state is State.IMPUTED:
                row["imputed"].add(column.name)
            value = column.values[at]
            if state is State.NULL:
                value = None
            elif column.type == "text":
                value = column.dictionary[value]
            side = row["features"] if column.role == "feature" else row["outputs"]
            assert column.name not in side
            side[column.name] = canonical(value)
    for at, row in enumerate(rows):
        row |= {
            "tags": batch.tags,
            "event_time": int(batch.event_times[at]),
            "latency_ms": float(batch.latencies_ms[at]),
        }
    return dict(zip(batch.ids, rows, strict=True))


class Arrived:
    """Everything that one topic gets from now on, read on at each call."""

    def __init__(self, kafka, topic):
        self._consumer = consumer(kafka, f"test-{uuid.uuid4()}")
        self._topic = topic
        # A topic just made may not be known to the broker's every thread.
        numbers = until(
            lambda: self._consumer.list_topics(topic, timeout=30).topics[topic].partitions
        )
        self._next = self._ends(numbers)
        self._consumer.assign([TopicPartition(topic, *at) for at in self._next.items()])
        self.messages = []

    def _ends(self, numbers):
        def ends():
            try:
                return {
                    number: self._consumer.get_watermark_offsets(
                        TopicPartition(self._topic, number), timeout=30
                    )[1]
                    for number in numbers
                }
            except KafkaException as error:
                if error.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                    raise
                return None

        return until(ends)

    def read(self):
        ends = self._ends(self._next)
        end = time.monotonic() + 60
        while any(self._next[number] < high for number, high in ends.items()):
            assert time.monotonic() < end
            for message in self._consumer.consume(500, 0.1):
                assert message.error() is None
                self._next[message.partition()] = message.offset() + 1
                self.messages.append(message)
        return self.messages

    def batches(self):
        return [decode_predictions(message.value()) for message in self.read()]

    def rows(self):
        """Every prediction by id; none may be there twice."""
        rows = {}
        for batch in self.batches():
            for name, row in rows_of(batch).items():
                assert name not in rows, f"{name} arrived twice"
                rows[name] = row
        return rows

    def outcomes(self):
        return [decode(message.value(), "outcome")[1] for message in self.read()]

    def close(self):
        self._consumer.close()
