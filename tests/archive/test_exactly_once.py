"""Crashes at every step on the disk, and archivers that overtake each other, simulated."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kedge.archive import ColumnLedger, Disk, PartitionWriter, disk
from kedge.contracts import Tags, UnreadableMessageError
from logged import DAY, START, batch, single

STEPS = ("link", "replace", "unlink", "fsync", "mkdir")


class _Killed(BaseException):
    """What no code of the archive may catch."""


class _DyingSystem:
    """`os`, until a number of steps on the disk were made; then nothing more happens."""

    def __init__(self, steps):
        self.steps = steps

    def __getattr__(self, name):
        step = getattr(os, name)
        if name not in STEPS:
            return step

        def counted(*arguments):
            if self.steps <= 0:
                raise _Killed
            self.steps -= 1
            return step(*arguments)

        return counted


def _row(offset, index, time=START):
    return {
        "id": f"{offset}/{index}",
        "time": time,
        "features": {"distance": float(offset), "carrier": "AA" if index else None},
        "filled": set(),
        "outputs": {"output": 0.5},
        "latency": None,
        "error": None,
    }


def _message(offset, kind):
    """Two models, two dates, both forms, and what can't be read."""
    if kind == 0:
        return single(_row(offset, 0))
    if kind == 1:
        rows = [_row(offset, 0), _row(offset, 1, START + DAY), _row(offset, 2)]
        return batch(rows, Tags("delays", "mv", "cv", 1, "test"))
    if kind == 2:
        return b"not Avro"
    return batch([_row(offset, 0), _row(offset, 1, START + DAY)])


# Offsets with holes, as transaction markers make them, and what is at each.
logs = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=14).map(
    lambda steps: [(sum(s for s, _ in steps[: i + 1]), k) for i, (_, k) in enumerate(steps)]
)


class _Archiver:
    """What `kedge.archiver` does with one partition, without Kafka."""

    def __init__(self, root, log):
        self.log = log
        self.writer = PartitionWriter(
            Disk(root), ColumnLedger(Disk(root)), "predictions", "topic-id", 0
        )
        self.position = self.writer.resume(0)

    def read(self, most):
        """Take some messages; whether there were any."""
        ahead = [(o, k) for o, k in self.log if o >= self.position][:most]
        for offset, kind in ahead:
            if self.writer.replay_ends_before(offset):
                assert self.writer.finish_replay() == 0
            try:
                self.writer.add(offset, _message(offset, kind))
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


def _archived(root):
    """Ids in all files, and the bytes of each."""
    files = sorted(Path(root).glob("predictions/model=*/*/*.parquet"))
    ids = [name for file in files for name in pq.ParquetFile(file).read(["id"])["id"].to_pylist()]
    return ids, {file.relative_to(root): file.read_bytes() for file in files}


def _sent(log):
    return sorted(
        f"{offset}/{index}" for offset, kind in log for index in range((1, 3, 0, 2)[kind])
    )


def _finish(root, log):
    archiver = _Archiver(root, log)
    while archiver.read(100):
        archiver.flush()


@hypothesis_settings(max_examples=100)
@given(
    log=logs,
    lives=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=4),
            st.integers(0, 60),
        ),
        max_size=5,
    ),
)
def test_whatever_is_killed_when_each_row_is_archived_once(tmp_path_factory, log, lives):
    root = tmp_path_factory.mktemp("archive")
    before = {}
    for steps, until in lives:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "os", _DyingSystem(until))
            try:
                archiver = _Archiver(root, log)
                for most, flush in steps:
                    archiver.read(most)
                    if flush:
                        archiver.flush()
            except _Killed:
                pass
        ids, files = _archived(root)
        assert len(ids) == len(set(ids))
        # What is archived stays as it is, to the byte.
        assert files.items() >= before.items()
        before = files
    _finish(root, log)
    ids, files = _archived(root)
    assert sorted(ids) == _sent(log)
    assert files.items() >= before.items()


@hypothesis_settings(max_examples=60)
@given(
    kinds=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(["", "flush", "resume"])),
        min_size=10,
        max_size=30,
    ),
)
def test_archivers_that_all_believe_to_own_the_partition_double_nothing(
    tmp_path_factory, kinds, steps
):
    root, log = tmp_path_factory.mktemp("archive"), list(enumerate(kinds))
    archivers = [_Archiver(root, log) for _ in range(3)]
    for who, most, then in steps:
        archivers[who].read(most)
        if then == "flush":
            archivers[who].flush()
        elif then == "resume":
            archivers[who] = _Archiver(root, log)
    _finish(root, log)
    ids, _ = _archived(root)
    assert sorted(ids) == _sent(log)


def test_a_replay_makes_the_same_bytes(tmp_path):
    log = [(offset, offset % 4) for offset in range(40)]
    _finish(tmp_path, log)
    _, files = _archived(tmp_path)
    assert len(files) == 4  # two models with two dates
    for lost in files:
        (tmp_path / lost).unlink()
        _finish(tmp_path, log)
        assert _archived(tmp_path)[1] == files


def test_a_replay_sees_columns_as_they_were(tmp_path):
    log = [(0, 0), (1, 3)]
    _finish(tmp_path, log)
    _, files = _archived(tmp_path)
    # Since then, the model is known to have one more feature, which these rows lacked.
    ColumnLedger(Disk(tmp_path)).extended("flights", [(7, {("feature", "new"): "number"})])
    next(tmp_path.glob("predictions/model=flights/*/*.parquet")).unlink()
    _finish(tmp_path, log)
    assert _archived(tmp_path)[1] == files


def test_a_sleeper_is_stopped_after_its_stopper_is_forgotten(tmp_path):
    log = [(offset, 0) for offset in range(240)]
    sleeper = _Archiver(tmp_path, log)
    sleeper.read(2)
    awake = _Archiver(tmp_path, log)
    while awake.read(1):
        awake.flush()
    sleeper.flush()
    ids, _ = _archived(tmp_path)
    assert sorted(ids) == _sent(log)
    assert len(list(tmp_path.glob("_journal/predictions/*/*/*.json"))) == 100


def test_what_kafka_lost_is_counted_and_what_is_there_stays(tmp_path):
    _finish(tmp_path, [(offset, 3) for offset in range(6)])
    lost, kept = sorted(tmp_path.glob("predictions/model=*/*/*.parquet"))
    lost.unlink()
    whole = kept.read_bytes()
    writer = PartitionWriter(
        Disk(tmp_path), ColumnLedger(Disk(tmp_path)), "predictions", "topic-id", 0
    )
    assert writer.resume(earliest=4) == 4
    for offset in (4, 5):
        writer.add(offset, _message(offset, 3))
    assert writer.finish_replay() == 4
    assert kept.read_bytes() == whole
    assert sorted(pq.ParquetFile(lost).read(["id"])["id"].to_pylist()) == ["4/0", "5/0"]
    assert writer.resume(earliest=9) == 9
    assert writer.next == 6


class _InterruptedDisk(Disk):
    """Somebody else resumes the partition at the worst moment: after a claim, before its files."""

    def create(self, name, data):
        created = super().create(name, data)
        if name.startswith("_journal"):
            self.other = PartitionWriter(
                Disk(self.root), ColumnLedger(Disk(self.root)), "predictions", "topic-id", 0
            )
            assert self.other.resume(0) == 0
        return created


def test_who_resumes_in_the_middle_of_a_flush_disturbs_nothing(tmp_path):
    log = [(0, 0), (1, 3)]
    interrupted = _InterruptedDisk(tmp_path)
    writer = PartitionWriter(interrupted, ColumnLedger(interrupted), "predictions", "topic-id", 0)
    writer.resume(0)
    for offset, kind in log:
        writer.add(offset, _message(offset, kind))
    assert writer.flush()
    ids, files = _archived(tmp_path)
    assert sorted(ids) == _sent(log)
    for offset, kind in log:
        interrupted.other.add(offset, _message(offset, kind))
    assert interrupted.other.finish_replay() == 0
    assert _archived(tmp_path) == (ids, files)


def test_a_topic_made_anew_counts_from_its_own_start(tmp_path):
    _finish(tmp_path, [(0, 0)])
    writer = PartitionWriter(
        Disk(tmp_path), ColumnLedger(Disk(tmp_path)), "predictions", "another-id", 0
    )
    assert writer.resume(0) == 0
    writer.add(0, _message(0, 3))
    assert writer.flush()
    assert len(_archived(tmp_path)[0]) == 3
