import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import RELEASE, canonical

NUMBERS = [1.5, math.nan, None, -3.0]
TEXTS = ["AA", None, "", "AA"]
TRUTHS = [True, False, True, True]
ROWS = [
    {"number": number, "text": text, "truth": truth}
    for number, text, truth in zip(NUMBERS, TEXTS, TRUTHS, strict=True)
]


def polars_frame():
    return pytest.importorskip("polars").DataFrame(
        {"number": NUMBERS, "text": TEXTS, "truth": TRUTHS}
    )


@pytest.mark.parametrize(
    "frame",
    [
        lambda: {"number": NUMBERS, "text": TEXTS, "truth": TRUTHS},
        lambda: {
            "number": np.array(NUMBERS, object),
            "text": np.array(TEXTS, object),
            "truth": np.array(TRUTHS),
        },
        lambda: ROWS,
        lambda: pd.DataFrame(
            {
                "number": pd.Series(NUMBERS, dtype=object),
                "text": pd.Series(TEXTS, dtype=object),
                "truth": TRUTHS,
            }
        ),
        lambda: pa.table({"number": NUMBERS, "text": TEXTS, "truth": TRUTHS}),
        lambda: pa.record_batch({"number": NUMBERS, "text": TEXTS, "truth": TRUTHS}),
        polars_frame,
    ],
    ids=["lists", "arrays", "records", "pandas", "table", "record batch", "polars"],
)
def test_every_kind_of_frame_means_the_same(log, predictions, frame):
    ids = log.batch(frame(), [0.1, 0.2, 0.3, 0.4])
    single = [
        log.prediction(row, output) for row, output in zip(ROWS, [0.1, 0.2, 0.3, 0.4], strict=True)
    ]
    assert log.flush(30)
    rows = predictions.rows()
    for one, other in zip(ids, single, strict=True):
        assert rows[one]["features"] == rows[other]["features"]
        assert rows[one]["outputs"] == rows[other]["outputs"]


@pytest.mark.parametrize(
    ("column", "cells"),
    [
        (np.array([1, 2], np.int8), [1.0, 2.0]),
        (np.array([0.5, np.nan], np.float32), [0.5, math.nan]),
        (np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]),
        (np.array(["a", "b"]), ["a", "b"]),
        (np.ma.masked_array([1.0, 2.0], [False, True]), [1.0, None]),
        (pd.Series([1, None], dtype="Int64"), [1.0, None]),
        (pd.Series(["a", None], dtype="string"), ["a", None]),
        (pd.Series(["a", None], dtype="category"), ["a", None]),
        (pd.Series([1.0, None]), [1.0, math.nan]),
        (pa.array([1, None]), [1.0, None]),
        (pa.chunked_array([[1.5], [None]]), [1.5, None]),
        (pa.array([True, None]), [True, None]),
        (pa.array([[1.0, 2.0], None]), [[1.0, 2.0], None]),
        (range(2), [0.0, 1.0]),
    ],
    ids=str,
)
def test_columns_keep_values_and_null_apart(log, predictions, column, cells):
    ids = log.batch({"x": column}, column)
    assert log.flush(30)
    rows = predictions.rows()
    for name, cell in zip(ids, cells, strict=True):
        assert rows[name]["features"] == {"x": canonical(cell)}
        assert rows[name]["outputs"] == {"output": canonical(cell)}


cells = st.one_of(st.none(), st.booleans(), st.floats(), st.text("aä", max_size=3))


@st.composite
def batches(draw):
    rows = draw(st.integers(1, 12))

    def column(of):
        return draw(st.lists(of, min_size=rows, max_size=rows))

    features = {
        name: np.array(column(st.floats())) if name.islower() else column(cells)
        for name in draw(st.sets(st.sampled_from(["a", "b", "C", "D"])))
    }
    return {
        "features": features,
        "outputs": {"score": np.array(column(st.floats())), "class": column(cells)},
        "event_times": column(st.integers(0, 2**50)),
        "latencies_ms": column(st.one_of(st.none(), st.floats(0, 100, width=32))),
        "imputed": {"a": np.array(column(st.booleans())), "filled": column(st.booleans())},
    }


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(batch=batches(), as_names=st.booleans())
def test_what_is_logged_together_arrives(log, predictions, batch, as_names):
    rows = len(batch["event_times"])
    marks = batch["imputed"]
    if as_names:
        batch = batch | {
            "imputed": [[name for name in marks if marks[name][at]] for at in range(rows)]
        }
    ids = log.batch(**batch)
    assert log.flush(30)
    arrived = predictions.rows()
    assert len(ids) == rows
    for at, name in enumerate(ids):
        row = arrived[name]
        filled = {key for key in marks if marks[key][at]}
        assert row["imputed"] == filled
        assert {key: value for key, value in row["features"].items() if key not in filled} == {
            key: canonical(column[at])
            for key, column in batch["features"].items()
            if key not in filled
        }
        assert row["outputs"] == {
            key: canonical(column[at]) for key, column in batch["outputs"].items()
        }
        assert row["event_time"] == batch["event_times"][at]
        latency = batch["latencies_ms"][at]
        assert row["latency_ms"] == latency or (latency is None and math.isnan(row["latency_ms"]))
        assert row["tags"] == RELEASE.tags("test")


def test_records_with_different_keys_and_outputs(log, predictions):
    ids = log.batch([{"a": 1}, {"b": None}, {}], [{"p": 1}, {"q": 2}, {"p": 3}])
    assert log.flush(30)
    rows = predictions.rows()
    assert [rows[name]["features"] for name in ids] == [{"a": canonical(1)}, {"b": None}, {}]
    assert [rows[name]["outputs"] for name in ids] == [
        {"p": canonical(1)},
        {"q": canonical(2)},
        {"p": canonical(3)},
    ]


def test_later_changes_by_the_caller_do_no_harm(make_logger, predictions):
    log = make_logger(linger=0.5)
    numbers, texts = np.array([1.0, 2.0]), ["a", "b"]
    ids = log.batch({"n": numbers, "t": texts}, numbers)
    numbers[:] = 9
    texts[:] = ["z", "z"]
    assert log.flush(30)
    rows = predictions.rows()
    assert rows[ids[1]]["features"] == {"n": canonical(2.0), "t": "b"}
    assert rows[ids[1]]["outputs"] == {"output": canonical(2.0)}


def test_a_large_frame_is_cut_and_arrives_whole(log, predictions):
    many = np.arange(30_000.0)
    ids = log.batch({f"f{n}": many + n for n in range(20)}, many)
    assert log.flush(60)
    messages = predictions.batches()
    assert len(messages) > 1
    found = {}
    for batch in messages:
        first = next(column for column in batch.columns if column.name == "f0")
        found.update(zip(batch.ids, first.values, strict=True))
    assert found == dict(zip(ids, many, strict=True))


def test_times_of_a_frame(log, predictions):
    stamps = pd.Series(pd.to_datetime(["2013-01-01 05:15", None]))
    zoned = pd.Series(pd.to_datetime(["2013-01-01 05:15", None])).dt.tz_localize("America/New_York")
    first = log.batch({"x": [1, 2]}, [1, 2], event_times=stamps)
    second = log.batch({"x": [1, 2]}, [1, 2], event_times=zoned)
    third = log.batch({"x": [1, 2]}, [1, 2], event_times=pd.Series([5, 6]))
    assert log.flush(30)
    rows = predictions.rows()
    assert rows[first[0]]["event_time"] == 1_357_017_300_000_000
    assert rows[second[0]]["event_time"] == 1_357_035_300_000_000
    assert [rows[name]["event_time"] for name in third] == [5, 6]
    assert set(rows) == {first[0], second[0], *third}
    assert log.counts.invalid == 2


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ({"features": {"x": [1, 2]}, "outputs": [1]}, 1),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "ids": ["a"]}, 2),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "event_times": [1]}, 2),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "latencies_ms": [1]}, 2),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "imputed": {"x": [True]}}, 2),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "imputed": [["x"]]}, 2),
        ({"features": {"x": [1, 2]}, "outputs": [1, 2], "release": "production"}, 2),
        ({"features": np.zeros((2, 2)), "outputs": [1, 2]}, 1),
        ({"features": {"x": "ab"}, "outputs": [1, 2]}, 1),
        ({"features": {"x": np.zeros((2, 2, 2))}, "outputs": [1, 2]}, 1),
        ({"features": 7, "outputs": None}, 1),
    ],
)
def test_a_batch_that_can_not_be_read_is_counted(log, arguments, rows):
    log.batch(**arguments)
    assert (log.counts.invalid, log.counts.accepted) == (rows, 0)


def test_an_empty_batch_is_nothing(log):
    assert len(log.batch({"x": []}, [])) == 0
    assert log.counts.accepted == log.counts.dropped == 0
