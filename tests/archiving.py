"""One partition's way into an archive without Kafka, and a disk that dies under it."""

import os

from hypothesis import strategies as st

from kedge.archive import ColumnLedger, PartitionWriter, open_archive
from kedge.contracts import Tags, UnreadableMessageError
from logged import DAY, START, batch, single

STEPS = ("link", "replace", "unlink", "fsync", "mkdir", "rmdir")


class Killed(BaseException):
    """What no code of the archive may catch."""


class DyingSystem:
    """`os`, until a number of steps on the disk were made; then nothing more happens."""

    def __init__(self, steps, before_each=lambda: None):
        self.steps, self.before_each = steps, before_each

    def __getattr__(self, name):
        step = getattr(os, name)
        if name not in STEPS:
            return step

        def counted(*arguments):
            self.before_each()
            if self.steps <= 0:
                raise Killed
            self.steps -= 1
            return step(*arguments)

        return counted


def row(offset, index, time=START):
    return {
        "id": f"{offset}/{index}",
        "time": time,
        "features": {"distance": float(offset), "carrier": "AA" if index else None},
        "filled": set(),
        "outputs": {"output": 0.5},
        "latency": None,
        "error": None,
    }


def message(offset, kind):
    """Two models, two dates, both forms, and what can't be read."""
    if kind == 0:
        return single(row(offset, 0))
    if kind == 1:
        rows = [row(offset, 0), row(offset, 1, START + DAY), row(offset, 2)]
        return batch(rows, Tags("delays", "mv", "cv", 1, "test"))
    if kind == 2:
        return b"not Avro"
    return batch([row(offset, 0), row(offset, 1, START + DAY)])


# Offsets with holes, as transaction markers make them, and what is at each.
logs = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=14).map(
    lambda steps: [(sum(s for s, _ in steps[: i + 1]), k) for i, (_, k) in enumerate(steps)]
)


class Archiver:
    """What `kedge.archiver` does with one partition, without Kafka."""

    def __init__(self, where, log):
        self.log = log
        store = open_archive(where)
        self.writer = PartitionWriter(store, ColumnLedger(store), "predictions", "topic-id", 0)
        self.position = self.writer.resume(0)

    def read(self, most):
        """Take some messages; whether there were any."""
        ahead = [(o, k) for o, k in self.log if o >= self.position][:most]
        for offset, kind in ahead:
            if self.writer.replay_ends_before(offset):
                assert self.writer.finish_replay() == 0
            try:
                self.writer.add(offset, message(offset, kind))
            except UnreadableMessageError:
                assert kind == 2
            self.position = offset + 1
        end = max(o for o, _ in self.log) + 1
        if self.position >= end and self.writer.replay_ends_before(end):
            assert self.writer.finish_replay() == 0
        return bool(ahead)

    def flush(self):
        if not self.writer.replaying and not self.writer.flush():
            self.position = self.writer.resume(0)


def sent(log):
    return sorted(
        f"{offset}/{index}" for offset, kind in log for index in range((1, 3, 0, 2)[kind])
    )


def finish(where, log):
    archiver = Archiver(where, log)
    while archiver.read(100):
        archiver.flush()
