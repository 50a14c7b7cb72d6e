from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from counting import profile_of, statistics_of
from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import ColumnSpec, Profile, count_windows, reference_of
from kedge.statistics import window_statistics

SIGNATURE = (
    ColumnSpec("x", "feature", "numeric"),
    ColumnSpec("c", "feature", "categorical"),
    ColumnSpec("v", "feature", "vector"),
)
REFERENCE = reference_of(
    columns_of(
        [{"x": float(i), "c": "ab"[i % 2], "v": [1.0, 2.0]} for i in range(40)] + [{}] * 10,
        "feature",
    ),
    SIGNATURE,
)
row = st.fixed_dictionaries(
    {},
    optional={
        "x": st.none() | st.floats(0, 40),
        "c": st.sampled_from(["a", "b", "new", ""]),
        "v": st.just([3.0, 4.0]),
    },
)


def _statistics(rows):
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        ["id"] * len(rows),
        np.zeros(len(rows), np.int64),
        np.full(len(rows), np.nan, np.float32),
        columns_of(rows, "feature"),
    )
    profiles = count_windows(batch, REFERENCE, 1)
    return {(s.name, s.column, s.kind): s for s in window_statistics(profiles[0], REFERENCE)}


@given(st.lists(row, min_size=1, max_size=40))
def test_missing_rates_are_the_shares_of_the_raw_rows(rows):
    statistics = _statistics(rows)
    absent = sum("x" not in r for r in rows)
    null = sum("x" in r and r["x"] is None for r in rows)
    assert statistics["missing_rate", "x", "absent"].value == absent / len(rows)
    assert statistics["missing_rate", "x", "null"].value == null / len(rows)
    assert statistics["missing_rate", "x", None].value == (absent + null) / len(rows)
    assert statistics["missing_increase", "x", None].value == pytest.approx(
        (absent + null) / len(rows) - 10 / 50
    )


@given(st.lists(row, min_size=1, max_size=40))
def test_unseen_categories_are_a_bin_of_their_own(rows):
    seen = [r["c"] for r in rows if r.get("c")]
    statistic = _statistics(rows)["js_distance", "c", None]
    if not seen:
        assert (statistic.value, statistic.note) == (None, "no usable value in the window")
        return
    shares = [seen.count(category) / len(seen) for category in ("a", "b", "new")]
    assert statistic.value == pytest.approx(
        np.nan_to_num(jensenshannon(shares, [0.5, 0.5, 0], base=2)), abs=1e-7
    )
    assert statistic.rows == len(seen)


def test_a_window_of_nothing_says_so():
    rows, error_rate = window_statistics(Profile.empty(REFERENCE), REFERENCE)
    assert (rows.name, rows.value, rows.rows) == ("rows", 0.0, 0)
    assert (error_rate.name, error_rate.value, error_rate.rows) == ("error_rate", None, 0)
    assert error_rate.note == "no rows in the window"


def test_a_vector_has_missing_rates_and_no_distances():
    statistics = _statistics([{"v": [1.0, 2.0]}, {}])
    assert statistics["missing_rate", "v", "absent"].value == 0.5
    assert ("psi", "v", None) not in statistics


def test_a_name_stands_for_one_number():
    keys = [
        (s.name, s.role, s.column, s.kind)
        for s in window_statistics(replace(Profile.empty(REFERENCE), rows=1), REFERENCE)
    ]
    assert len(keys) == len(set(keys))


def test_a_drift_among_a_million_categories_is_seen_and_none_is_missing():
    rng = np.random.default_rng(8)

    def users(low, high):
        return [{"user": f"user {number}"} for number in rng.integers(low, high, 20_000)]

    reference = reference_of(columns_of(users(0, 1_000_000), "feature"))
    same, few = users(0, 1_000_000), users(0, 40)
    before, after = statistics_of(same, reference), statistics_of(few, reference)
    # Hardly any of these has ever been seen, and nothing has changed.
    assert before["psi"].value < 0.01
    assert before["missing_rate"].value == after["missing_rate"].value == 0
    # Forty users make all the traffic.
    assert after["psi"].value > 0.25


@given(st.lists(st.sampled_from(["a", "b", "new", "newer", ""]), min_size=1, max_size=40))
def test_distinct_categories_are_counted_or_within_bounds(texts):
    found = _statistics([{"c": text} for text in texts])["distinct", "c", None]
    true = len(set(texts) - {""})
    assert (found.low or found.value) <= true <= (found.high or found.value)
    if not set(texts) & {"new", "newer"}:
        assert (found.value, found.low, found.high) == (true, None, None)


@pytest.mark.parametrize("true", [1, 40, 3000, 50_000])
def test_distinct_of_a_million_categories_is_within_its_bounds(true):
    rng = np.random.default_rng(true)
    reference = reference_of(
        columns_of([{"user": f"user {n}"} for n in rng.integers(0, 10**6, 5000)], "feature")
    )
    rows = [{"user": f"user {n}"} for n in rng.permutation(np.arange(2 * true) % true)]
    found = statistics_of(rows, reference)["distinct"]
    low, high = (found.value if end is None else end for end in (found.low, found.high))
    assert low <= true <= high
    # Its error and its bounds are three standard errors each, at most.
    assert high <= 1.0975**2 * true + 1
    assert found.rows == 2 * true


def test_what_was_profiled_before_has_no_number_of_categories():
    reference = reference_of(columns_of([{"user": f"user {n}"} for n in range(100)], "feature"))
    profile = profile_of([{"user": "user 1"}], reference)
    record = profile.to_record(reference)
    record["columns"][0]["registers"] = b""
    old = Profile.from_record(record, reference)
    (found,) = (s for s in window_statistics(old, reference) if s.name == "distinct")
    assert found.value is None
    assert "before categories were counted" in found.note
