"""What a compaction merges, and that the rows are as they were."""

import collections
import math
from functools import cache

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from kedge.archive import Catalog, ColumnLedger, Disk, PartitionWriter, compaction, connect
from kedge.archive.compaction import Sizes, compact, merges
from kedge.archive.layout import compacted_name, file_name
from kedge.archive.snapshots import Day, models_of
from kedge.contracts import encode
from logged import DAY, START, batch, single


@cache
def _ids(path):
    return tuple(pq.ParquetFile(path).read(["id"])["id"].to_pylist())


_ROW = {
    "features": {},
    "filled": set(),
    "outputs": {"output": 0.5},
    "latency": None,
    "error": None,
}


def test_compacted_rows_are_as_they_were_and_sorted_by_time(tmp_path):
    store = Disk(tmp_path)
    ledger = ColumnLedger(store)
    writer = PartitionWriter(store, ledger, "predictions", "id", 0)
    writer.resume(0)
    features = [
        {"x": 1.0},
        {"x": None, "tail": "N1"},
        {"v": [1.0, 2.0], "x": math.nan},
        {"x": "far"},
        {"ü'\"[": True},
        {},
    ]
    for offset, each in enumerate(features):
        time = START + (7 * offset) % len(features)
        writer.add(offset, single({**_ROW, "id": str(offset), "features": each, "time": time}))
        assert writer.flush()
    query = "FROM predictions ORDER BY id"
    with connect(tmp_path) as connection:
        before, types = connection.sql(query).fetchall(), connection.sql(query).types
        (folder,) = models_of(store, "predictions")
        assert compact(store, folder, Sizes(1 << 20, 2), 0.0) == len(features)
        # `repr`, as NaN differs from itself.
        assert repr(connection.sql(query).fetchall()) == repr(before)
        assert connection.sql(query).types == types
    (name,) = Catalog(store).files("predictions")
    times = pq.ParquetFile(tmp_path / name).read(["event_time"])["event_time"].to_pylist()
    assert times == sorted(times)


def test_a_date_of_which_no_file_has_any_feature_is_compacted(tmp_path):
    store = Disk(tmp_path)
    writer = PartitionWriter(store, ColumnLedger(store), "predictions", "id", 0)
    writer.resume(0)
    for offset, (features, time) in enumerate((({}, 0), ({}, 0), ({"x": 1.0}, DAY))):
        writer.add(
            offset,
            single({**_ROW, "id": str(offset), "features": features, "time": START + time}),
        )
        assert writer.flush()
    (folder,) = models_of(store, "predictions")
    assert compact(store, folder, Sizes(1 << 20, 2), 0.0) == 2
    with connect(tmp_path) as connection:
        assert connection.sql("SELECT id, features.x FROM predictions ORDER BY id").fetchall() == [
            ("0", None),
            ("1", None),
            ("2", 1.0),
        ]


def test_every_dataset_is_compacted(tmp_path):
    store = Disk(tmp_path)
    writer = PartitionWriter(store, ColumnLedger(store), "outcomes", "id", 0)
    writer.resume(0)
    for offset, truth in enumerate((1.0, True, "late", [1.0], None)):
        record = {
            "prediction_id": str(offset),
            "model": "flights",
            "environment": "test",
            "known_at": START,
            "truth": truth,
        }
        writer.add(offset, encode("outcome", record))
        assert writer.flush()
    with connect(tmp_path) as connection:
        query = "SELECT * FROM outcomes ORDER BY prediction_id"
        before = connection.sql(query).fetchall()
        assert compact(store, "outcomes/model=flights", Sizes(1 << 20, 2), 0.0) == 5
        assert len(Catalog(store).files("outcomes")) == 1
        assert connection.sql(query).fetchall() == before


def test_large_results_are_several_files_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(compaction, "_GROUP", 2048)
    store = Disk(tmp_path)
    writer = PartitionWriter(store, ColumnLedger(store), "predictions", "id", 0)
    writer.resume(0)
    for offset in range(2):
        rows = [{**_ROW, "id": f"{n}", "time": START + n} for n in range(offset, 6000, 2)]
        writer.add(offset, batch(rows))
        assert writer.flush()
    assert compact(store, "predictions/model=flights", Sizes(1, 2), 0.0) == 2
    files = Catalog(store).files("predictions")
    parts = [_ids(tmp_path / name) for name in files]
    assert sorted(map(len, parts)) == [6000 - 2 * 2048, 2048, 2048]
    parts.sort(key=lambda ids: int(ids[0]))
    assert [int(name) for ids in parts for name in ids] == list(range(6000))


raw_files = st.dictionaries(
    st.tuples(st.integers(0, 2), st.integers(0, 20)), st.integers(1, 100), max_size=30
)


@given(
    files=raw_files, settled=st.integers(-1, 20), taken=st.integers(-1, 20), few=st.integers(2, 5)
)
def test_what_is_merged_is_all_that_was_settled_first(files, settled, taken, few):
    """So that one offset says what a compacted file has of a partition."""
    sizes = {file_name("id", p, o, o): size for (p, o), size in files.items()}
    day = Day((), {f"id/p{p:04d}": taken for p in range(3)})
    until = {f"id/p{p:04d}": settled for p in range(3)}
    found = merges(sizes, day, until, Sizes(10**9, few))
    due = sorted(name for name, (_, o) in zip(sizes, files, strict=True) if taken < o <= settled)
    assert [sorted(merge.files) for merge in found] == ([due] if len(due) >= few else [])
    for merge in found:
        for source, offset in merge.covered.items():
            last = max(o for p, o in files if f"id/p{p:04d}" == source and taken < o <= settled)
            assert offset == last


@given(arrivals=st.lists(st.integers(1, 1000), min_size=1, max_size=300))
def test_no_row_is_written_more_often_than_the_logarithm(arrivals):
    target, day, written = 10**6, Day(), collections.Counter()
    rows_of = {}
    for offset, size in enumerate(arrivals):
        name = file_name("id", 0, offset, offset)
        rows_of[name] = {offset: size}
        sizes = {each: sum(rows.values()) for each, rows in rows_of.items()}
        for merge in merges(sizes, day, {"id/p0000": offset}, Sizes(target, 2)):
            rows = {k: v for each in merge.files for k, v in rows_of.pop(each).items()}
            made = compacted_name(offset, "id")
            rows_of[made] = rows
            written.update(rows.keys())
            kept = [each for each in day.files if each not in merge.files]
            day = Day((*kept, made), {**day.covered, **merge.covered})
    total = sum(arrivals)
    assert max(written.values(), default=0) <= 2 + math.log2(total)
    # And few files are left.
    assert len(rows_of) <= 3 + math.log2(total)
