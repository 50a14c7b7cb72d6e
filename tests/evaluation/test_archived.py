"""The evaluator's reader of the archive, while files are compacted and removed under it."""

import sqlite3

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from archiving import Archiver, logs
from kedge.archive import Disk
from kedge.archive.clearing import clear, drop
from kedge.archive.compaction import Sizes, compact
from kedge.evaluation.archived import ArchivedPredictions
from kedge.evaluation.segmenting import Segmenting
from kedge.evaluation.words import Words
from logged import START

FOLDER, FLOORS = "predictions/model=flights", {"flights": START}
LATER = 10_000_000_000
"""Nanoseconds after which a folder's time tells whether it has changed."""


def _reader(root):
    segmenting = Segmenting((), lambda _model, _release: None)
    words = Words(sqlite3.connect(":memory:"))
    return ArchivedPredictions(Disk(root), lambda _model, _release: "output", segmenting, words)


def _news(reader, now):
    """Ids of the predictions that are new."""
    return [name for part in reader.news(FLOORS, now) for name in part.ids.to_pylist()]


def _ids(log):
    return sorted(f"{o}/{i}" for o, kind in log if kind in (0, 3) for i in range(kind // 3 + 1))


steps = st.lists(st.sampled_from(["write", "read", "compact", "compact all", "clear"]), max_size=20)


@hypothesis_settings(max_examples=40)
@given(log=logs, steps=steps, often=st.booleans())
def test_each_prediction_is_read_and_none_again_that_was_read_in_time(
    tmp_path_factory, log, steps, often
):
    root, now = tmp_path_factory.mktemp("archive"), 0
    archiver, reader, found = Archiver(root, log), _reader(root), []
    for step in [*steps, "write", "read"]:
        now += LATER
        if step == "write":
            archiver.read(2)
            archiver.flush()
        elif step.startswith("compact"):
            compact(Disk(root), FOLDER, Sizes(1 << 20, 2, step == "compact all"), now / 1e9)
        elif step == "clear":
            clear(Disk(root), FOLDER, 1.0, now / 1e9)
        if step == "read" or often:
            found += _news(reader, now)
    archived = _ids(archiver.log[: sum(o < archiver.position for o, _ in log)])
    assert sorted(set(found)) == archived
    if often:
        # Whoever looks before files are compacted reads no row a second time.
        assert sorted(found) == archived
    # Nor does who starts now.
    assert sorted(_news(_reader(root), now)) == archived


def test_dropped_days_are_no_news(tmp_path):
    archiver = Archiver(tmp_path, [(0, 3), (1, 3)])
    archiver.read(1)
    archiver.flush()
    reader = _reader(tmp_path)
    assert sorted(_news(reader, 0)) == ["0/0", "0/1"]
    drop(Disk(tmp_path), FOLDER, "2013-02-02", 0.0)
    archiver.read(1)
    archiver.flush()
    assert sorted(_news(reader, LATER)) == ["1/1"]
    assert sorted(_news(_reader(tmp_path), LATER)) == ["0/1", "1/1"]
