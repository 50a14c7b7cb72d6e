"""Compaction and retention: killed at every step, with readers at every step."""

import collections
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from archiving import Archiver, DyingSystem, Killed, finish, logs, sent
from kedge.archive import Catalog, Disk, connect, disk
from kedge.archive.clearing import clear, doomed, drop
from kedge.archive.compaction import Sizes, compact, merges
from kedge.archive.layout import compacted_name, file_name
from kedge.archive.snapshots import Day, models_of

GRACE = 10.0
SIZES = (Sizes(1 << 20, 2), Sizes(1 << 20, everything=True), Sizes(1, 2))


@cache
def _ids(path):
    return tuple(pq.ParquetFile(path).read(["id"])["id"].to_pylist())


class _Readers:
    """Look at an archive at every step on its disk."""

    def __init__(self, root):
        self.root, self.catalog = root, Catalog(Disk(root))
        self.now, self.seen, self.listed = 0.0, set(), {}

    def look(self):
        files = self.catalog.files("predictions")
        ids = [name for file in files for name in _ids(self.root / file)]
        assert len(ids) == len(set(ids)), "a row is there twice"
        assert self.seen <= set(ids), "a row is lost"
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
