"""Latencies and errors of profiles, against NumPy on the raw values."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PredictionBatch, Tags, decode_predictions, encode, encode_batch
from kedge.profile import OTHER, RELATIVE_ERROR, Operations, Reference, count_windows
from kedge.profile.operations import MOST_TYPES

WINDOW = 100
NOTHING = Reference(0, ())

latencies = st.one_of(
    st.floats(0, 1e5, width=32),
    st.floats(0, 2.0**30, width=32),
    st.sampled_from([0.0, 1.0, 1e-7, -1.0, -0.5, math.inf, math.nan, 3e9]),
)
types = st.one_of(st.none(), st.sampled_from(["ValueError", "KeyError", "TimeoutError", OTHER, ""]))
rows = st.lists(st.tuples(latencies, types, st.integers(0, 3 * WINDOW)), min_size=1, max_size=30)


def _counted(data):
    """The sum over all windows, as both forms of message and the batch itself give it."""
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        [str(number) for number in range(len(data))],
        np.array([time for _, _, time in data], np.int64),
        np.array([latency for latency, _, _ in data], np.float32),
        (),
        {row: error for row, (_, error, _) in enumerate(data) if error is not None},
    )
    return batch, _sum([batch])


def _sum(batches):
    windows = [count_windows(batch, NOTHING, WINDOW) for batch in batches]
    return Operations.of_all(p.operations for each in windows for p in each.values())


def _usable(data):
    return [latency for latency, _, _ in data if 0 <= latency <= 1e9]


@given(rows, st.sampled_from([0.0, 0.25, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_within_the_stated_error_of_the_exact_one(data, q):
    _, operations = _counted(data)
    usable = _usable(data)
    assert operations.timed == len(usable)
    if not usable:
        assert operations.quantile(q) is None
        return
    exact = float(np.quantile(usable, q, method="lower"))
    assert operations.quantile(q) == pytest.approx(exact, rel=RELATIVE_ERROR + 1e-9, abs=1e-6)


def test_quantiles_of_a_real_shape_are_close():
    values = np.random.default_rng(1).lognormal(3, 1.2, 20_000).astype(np.float32)
    _, operations = _counted([(float(value), None, 0) for value in values])
    for q in (0.5, 0.95, 0.99):
        assert operations.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.025)
    assert len(operations.latencies) < 300


@given(rows)
def test_what_is_no_latency_is_counted_apart_and_errors_by_type(data):
    _, operations = _counted(data)
    assert operations.unusable == sum(
        latency < 0 or latency > 1e9 for latency, _, _ in data if not math.isnan(latency)
    )
    assert operations.errors == Counter(error for _, error, _ in data if error is not None)


@given(rows)
def test_both_forms_of_a_prediction_give_the_same(data):
    batch, operations = _counted(data)
    singles = [
        decode_predictions(
            encode(
                "prediction",
                {
                    "id": str(number),
                    "event_time": time,
                    "model": "m",
                    "model_version": "mv",
                    "code_version": "cv",
                    "release": 1,
                    "environment": "test",
                    "features": {},
                    "imputed": [],
                    "outputs": {},
                    "latency_ms": None if math.isnan(latency) else latency,
                    "error": error,
                },
            )
        )
        for number, (latency, error, time) in enumerate(data)
    ]
    assert _sum(singles) == operations
    assert _sum([decode_predictions(encode_batch(batch))]) == operations


operations = st.builds(
    Operations,
    st.dictionaries(st.integers(-346, 500), st.integers(1, 9), max_size=5),
    st.integers(0, 3),
    # More than a profile keeps come together only when some are added.
    st.lists(st.integers(0, 3 * MOST_TYPES), max_size=MOST_TYPES - 1, unique=True).map(
        lambda numbers: {f"E{number:03}": number + 1 for number in numbers}
    ),
)


@given(operations, operations, operations)
def test_adding_is_a_monoid_also_where_there_are_too_many_types(a, b, c):
    assert (a + b) + c == a + (b + c) == Operations.of_all((c, b, a))
    assert a + b == b + a
    assert a + Operations() == a == Operations() + a
    total = a + b + c
    everything = Counter(a.errors) + Counter(b.errors) + Counter(c.errors)
    assert sum(total.errors.values()) == sum(everything.values())
    first = sorted(everything)[:MOST_TYPES]
    assert {error: total.errors[error] for error in first} == {e: everything[e] for e in first}
    assert len(total.errors) <= MOST_TYPES + 1


@given(operations)
def test_it_survives_its_contract(each):
    assert Operations.from_record(each.to_record()) == each


def test_counts_without_bins_are_refused():
    record = Operations({3: 1}).to_record() | {"latency_counts": []}
    with pytest.raises(ValueError, match="zip"):
        Operations.from_record(record)


def test_a_profile_of_before_has_none():
    assert Operations.from_record(None) == Operations()
