"""Compaction and retention: killed at every step, with readers at every step."""

import collections
import shutil
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from archiving import Archiver, DyingSystem, Killed, finish, logs, message, sent
from kedge.archive import Catalog, ColumnLedger, Disk, PartitionWriter, connect, disk
from kedge.archive.clearing import clear, doomed, drop
from kedge.archive.compaction import Sizes, compact
from kedge.archive.snapshots import models_of
from logged import DAY, START, single

GRACE = 10.0
SIZES = (Sizes(1 << 20, 2), Sizes(1 << 20, everything=True), Sizes(1, 2))


@cache
def _ids(path):
    return tuple(pq.ParquetFile(path).read(["id"])["id"].to_pylist())


class _Readers:
    """Look at an archive at every step on its disk.

    Args:
        root: the archive.
        may_go: whether a row may be gone that was there.
    """

    def __init__(self, root, may_go=lambda _name: False):
        self.root, self.catalog, self.may_go = root, Catalog(Disk(root)), may_go
        self.now, self.seen, self.listed = 0.0, set(), {}

    def look(self):
        files = self.catalog.files("predictions")
        ids = [name for file in files for name in _ids(self.root / file)]
        assert len(ids) == len(set(ids)), "a row is there twice"
        lost = self.seen - set(ids)
        assert all(self.may_go(name) for name in lost), "a row is lost"
        self.seen = set(ids)
        # Whoever listed files within the grace period finds them.
        self.listed = {file: at for file, at in self.listed.items() if self.now - at < GRACE}
        for file in self.listed:
            assert (self.root / file).exists()
        self.listed.update(dict.fromkeys(files, self.now))


def _compacted(root, sizes, now):
    store = Disk(root)
    for folder in models_of(store, "predictions"):
        compact(store, folder, sizes, now)


def _cleared(root, now):
    store = Disk(root)
    for folder in models_of(store, "predictions"):
        clear(store, folder, GRACE, now)


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 5)),
    st.tuples(st.just("flush"), st.none()),
    st.tuples(st.just("compact"), st.sampled_from(SIZES)),
    st.tuples(st.just("clear"), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, GRACE])),
)


@hypothesis_settings(max_examples=40)
@given(
    log=logs,
    lives=st.lists(st.tuples(st.lists(steps, max_size=8), st.integers(0, 80)), max_size=5),
)
def test_killed_at_any_step_each_row_is_there_once_for_every_reader(tmp_path_factory, log, lives):
    root = tmp_path_factory.mktemp("archive")
    readers = _Readers(root)
    for actions, until in lives:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "os", DyingSystem(until, readers.look))
            try:
                archiver = Archiver(root, log)
                for action, argument in actions:
                    if action == "read":
                        archiver.read(argument)
                    elif action == "flush":
                        archiver.flush()
                    elif action == "compact":
                        _compacted(root, argument, readers.now)
                    elif action == "clear":
                        _cleared(root, readers.now)
                    else:
                        readers.now += argument
            except Killed:
                pass
        readers.look()
    finish(root, log)
    readers.look()
    assert sorted(readers.seen) == sent(log)
    # Once all is quiet, a date is one file, and nothing else is left.
    _compacted(root, Sizes(1 << 20, everything=True), readers.now)
    readers.look()
    _cleared(root, readers.now + GRACE)
    left = [str(path.relative_to(root)) for path in root.glob("predictions/model=*/*/*")]
    assert sorted(left) == Catalog(Disk(root)).files("predictions"), left
    assert max(collections.Counter(Path(name).parent for name in left).values(), default=1) == 1
    assert sorted(name for file in left for name in _ids(root / file)) == sent(log)


def _small_files(root, count=12):
    log = [(offset, offset % 4) for offset in range(count)]
    archiver = Archiver(root, log)
    while archiver.read(1):
        archiver.flush()
    return log


def test_a_compaction_is_killed_before_each_of_its_steps(tmp_path):
    before = tmp_path / "before"
    log = _small_files(before, 4)
    for until in range(1000):
        root = tmp_path / f"{until}"
        shutil.copytree(before, root)
        readers = _Readers(root)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "os", DyingSystem(until, readers.look))
            try:
                # Once while those are reading who came before, and once when they are through.
                for readers.now in (0.0, GRACE):
                    _compacted(root, Sizes(1 << 20, 2), readers.now)
                    _cleared(root, readers.now)
            except Killed:
                died = True
            else:
                died = False
        finish(root, log)
        readers.look()
        assert sorted(readers.seen) == sent(log)
        shutil.rmtree(root)
        if not died:
            break
    assert until > 15


def test_an_archiver_is_killed_before_each_of_its_steps_and_then_all_is_compacted(tmp_path):
    """A range of which a file is still to come must not count as archived."""
    log = [(0, 3), (1, 3), (2, 1)]
    for until in range(1000):
        root = tmp_path / f"{until}"
        archiver = Archiver(root, log)
        archiver.read(1)
        archiver.flush()
        archiver.read(2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(disk, "os", DyingSystem(until))
            try:
                archiver.flush()
            except Killed:
                died = True
            else:
                died = False
        _compacted(root, Sizes(1 << 20, everything=True), 0.0)
        finish(root, log)
        readers = _Readers(root)
        readers.look()
        assert sorted(readers.seen) == sent(log)
        if not died:
            break
    assert until > 15


@hypothesis_settings(max_examples=25)
@given(log=logs, until=st.integers(0, 60), flush=st.integers(1, 14))
def test_dropped_days_stay_away_whatever_is_killed(tmp_path_factory, log, until, flush):
    """Ids that end in /1 are of the second day, all others of the first."""
    root = tmp_path_factory.mktemp("archive")
    readers = _Readers(root, lambda name: not name.endswith("/1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "os", DyingSystem(until, readers.look))
        try:
            archiver = Archiver(root, log)
            while archiver.read(flush):
                archiver.flush()
                _compacted(root, Sizes(1 << 20, 2), 0.0)
                for folder in models_of(Disk(root), "predictions"):
                    drop(Disk(root), folder, "2013-02-02", 0.0)
        except Killed:
            pass
    finish(root, log)
    for folder in models_of(Disk(root), "predictions"):
        drop(Disk(root), folder, "2013-02-02", 0.0)
    readers.now = GRACE
    _cleared(root, GRACE)
    readers.look()
    assert sorted(readers.seen) == [name for name in sent(log) if name.endswith("/1")]
    # An archiver that starts again misses nothing that was dropped.
    assert not Archiver(root, log).writer.replaying
    assert not list(root.glob("predictions/*/date=2013-02-01"))


def test_what_would_be_dropped_is_told_and_other_dates_stay(tmp_path):
    store = Disk(tmp_path)
    writer = PartitionWriter(store, ColumnLedger(store), "predictions", "id", 0)
    writer.resume(0)
    for offset, time in enumerate((START, START + DAY, -5)):
        writer.add(offset, single({**_ROW, "id": str(offset), "time": time}))
    assert writer.flush()
    (folder,) = models_of(store, "predictions")
    files = doomed(store, folder, "2013-02-02")
    assert [Path(name).parent.name for name in files] == ["date=2013-02-01"]
    assert list(files.values()) == [(tmp_path / name).stat().st_size for name in files]
    assert len(store.names("_snapshots")) == 0
    assert drop(store, folder, "2013-02-02", 0.0) == 1
    assert drop(store, folder, "2013-02-01", 0.0) == 0
    days = [Path(name).parent.name for name in Catalog(store).files("predictions")]
    assert days == ["date=2013-02-02", "date=other"]
    with connect(tmp_path) as connection:
        assert connection.sql("SELECT id FROM predictions ORDER BY id").fetchall() == [
            ("1",),
            ("2",),
        ]


_ROW = {
    "features": {},
    "filled": set(),
    "outputs": {"output": 0.5},
    "latency": None,
    "error": None,
}


class _Beaten(Disk):
    """Another compactor is quicker, every time."""

    def create(self, name, data):
        if name.startswith("_snapshots") and not name.endswith("00000000.json"):
            for folder in models_of(Disk(self.root), "predictions"):
                compact(Disk(self.root), folder, Sizes(1 << 20, 2), 0.0)
        return super().create(name, data)


def test_of_two_compactors_one_works_in_vain(tmp_path):
    log = _small_files(tmp_path)
    for folder in models_of(Disk(tmp_path), "predictions"):
        assert compact(_Beaten(tmp_path), folder, Sizes(1 << 20, 2), 0.0) == 0
    readers = _Readers(tmp_path)
    readers.look()
    assert sorted(readers.seen) == sent(log)
    compacted = {path.name for path in tmp_path.glob("predictions/*/*/c*.parquet")}
    assert compacted == {Path(name).name for name in Catalog(Disk(tmp_path)).files("predictions")}


class _Swept(Disk):
    """Another compactor removes what nobody needs, before each snapshot is made."""

    def create(self, name, data):
        if name.startswith("_snapshots"):
            for folder in models_of(Disk(self.root), "predictions"):
                clear(Disk(self.root), folder, 0.0, 1.0)
        return super().create(name, data)


def test_what_a_compactor_is_about_to_use_is_not_removed_by_another(tmp_path):
    log = _small_files(tmp_path)
    for folder in models_of(Disk(tmp_path), "predictions"):
        assert compact(_Swept(tmp_path), folder, Sizes(1 << 20, 2), 0.0) > 0
    readers = _Readers(tmp_path)
    readers.look()
    assert sorted(readers.seen) == sent(log)


def test_an_archiver_that_slept_brings_nothing_back(tmp_path):
    """It claims a range; another writes its files, they are compacted and removed; it wakes up."""
    log = [(0, 3), (1, 3)]
    writer = Archiver(tmp_path, log).writer
    for offset, kind in log:
        writer.add(offset, message(offset, kind))
    files = writer._files(1)
    finish(tmp_path, log)
    _compacted(tmp_path, Sizes(1 << 20, everything=True), 0.0)
    _small_files(tmp_path, 2)
    writer._publish(files.tables, writer._aside(files.tables))
    readers = _Readers(tmp_path)
    readers.look()
    assert sorted(readers.seen) == sent(log)
