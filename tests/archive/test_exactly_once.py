"""Crashes at every step on the disk, and archivers that overtake each other, simulated."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from archiving import Archiver, DyingSystem, Killed, finish, logs, message, sent
from kedge.archive import ColumnLedger, Disk, PartitionWriter, disk


def _archived(root):
    """Ids in all files, and the bytes of each."""
    files = sorted(Path(root).glob("predictions/model=*/*/*.parquet"))
    ids = [name for file in files for name in pq.ParquetFile(file).read(["id"])["id"].to_pylist()]
    return ids, {file.relative_to(root): file.read_bytes() for file in files}


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
            patch.setattr(disk, "os", DyingSystem(until))
            try:
                archiver = Archiver(root, log)
                for most, flush in steps:
                    archiver.read(most)
                    if flush:
                        archiver.flush()
            except Killed:
                pass
        ids, files = _archived(root)
        assert len(ids) == len(set(ids))
        # What is archived stays as it is, to the byte.
        assert files.items() >= before.items()
        before = files
    finish(root, log)
    ids, files = _archived(root)
    assert sorted(ids) == sent(log)
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
    archivers = [Archiver(root, log) for _ in range(3)]
    for who, most, then in steps:
        archivers[who].read(most)
        if then == "flush":
            archivers[who].flush()
        elif then == "resume":
            archivers[who] = Archiver(root, log)
    finish(root, log)
    ids, _ = _archived(root)
    assert sorted(ids) == sent(log)


def test_a_replay_makes_the_same_bytes(tmp_path):
    log = [(offset, offset % 4) for offset in range(40)]
    finish(tmp_path, log)
    _, files = _archived(tmp_path)
    assert len(files) == 4  # two models with two dates
    for lost in files:
        (tmp_path / lost).unlink()
        finish(tmp_path, log)
        assert _archived(tmp_path)[1] == files


def test_a_replay_sees_columns_as_they_were(tmp_path):
    log = [(0, 0), (1, 3)]
    finish(tmp_path, log)
    _, files = _archived(tmp_path)
    # Since then, the model is known to have one more feature, which these rows lacked.
    ColumnLedger(Disk(tmp_path)).extended("flights", [(7, {("feature", "new"): "number"})])
    next(tmp_path.glob("predictions/model=flights/*/*.parquet")).unlink()
    finish(tmp_path, log)
    assert _archived(tmp_path)[1] == files


def test_a_sleeper_is_stopped_after_its_stopper_is_forgotten(tmp_path):
    log = [(offset, 0) for offset in range(240)]
    sleeper = Archiver(tmp_path, log)
    sleeper.read(2)
    awake = Archiver(tmp_path, log)
    while awake.read(1):
        awake.flush()
    sleeper.flush()
    ids, _ = _archived(tmp_path)
    assert sorted(ids) == sent(log)
    assert len(list(tmp_path.glob("_journal/predictions/*/*/*.json"))) == 100


def test_what_kafka_lost_is_counted_and_what_is_there_stays(tmp_path):
    finish(tmp_path, [(offset, 3) for offset in range(6)])
    lost, kept = sorted(tmp_path.glob("predictions/model=*/*/*.parquet"))
    lost.unlink()
    whole = kept.read_bytes()
    writer = PartitionWriter(
        Disk(tmp_path), ColumnLedger(Disk(tmp_path)), "predictions", "topic-id", 0
    )
    assert writer.resume(earliest=4) == 4
    for offset in (4, 5):
        writer.add(offset, message(offset, 3))
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
        writer.add(offset, message(offset, kind))
    assert writer.flush()
    ids, files = _archived(tmp_path)
    assert sorted(ids) == sent(log)
    for offset, kind in log:
        interrupted.other.add(offset, message(offset, kind))
    assert interrupted.other.finish_replay() == 0
    assert _archived(tmp_path) == (ids, files)


def test_a_topic_made_anew_counts_from_its_own_start(tmp_path):
    finish(tmp_path, [(0, 0)])
    writer = PartitionWriter(
        Disk(tmp_path), ColumnLedger(Disk(tmp_path)), "predictions", "another-id", 0
    )
    assert writer.resume(0) == 0
    writer.add(0, message(0, 3))
    assert writer.flush()
    assert len(_archived(tmp_path)[0]) == 3
