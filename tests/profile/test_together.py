"""Patterns of missing features against a count row by row."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import ColumnSpec, Reference, Together, count_windows, reference_of
from kedge.profile.together import MOST, count_together

patterns = st.dictionaries(
    st.sets(st.integers(0, 5), min_size=1).map(lambda s: tuple(sorted(s))), st.integers(1, 50)
)
parts = st.builds(Together, patterns, st.integers(0, 9))


@given(
    st.integers(1, 100).flatmap(
        lambda features: st.lists(
            st.tuples(st.sets(st.integers(0, features - 1), max_size=4), st.integers(0, 2)),
            min_size=1,
            max_size=30,
        )
    )
)
def test_patterns_are_those_of_brute_force(rows):
    features = sorted({feature for lacking, _ in rows for feature in lacking})
    missing = [(f, np.array([f in lacking for lacking, _ in rows])) for f in features]
    index = np.array([window for _, window in rows])
    for window, found in enumerate(count_together(missing, index, 3)):
        expected = Counter(
            tuple(sorted(lacking)) for lacking, at in rows if at == window and lacking
        )
        assert (found.patterns, found.other) == (expected, 0)


def test_the_rarer_patterns_are_counted_together_and_bound_the_others():
    rng = np.random.default_rng(2)
    where = rng.random((30, 4000)) < 0.3
    where[:, :500] = False
    where[:3, :500] = True
    (found,) = count_together(list(enumerate(where)), np.zeros(4000, np.int64), 1)
    exact = Counter(tuple(np.flatnonzero(row).tolist()) for row in where.T if row.any())
    assert len(found.patterns) == MOST
    assert found.patterns[0, 1, 2] == exact[0, 1, 2]
    assert sum(found.patterns.values()) + found.other == exact.total()
    halves = [
        count_together(list(enumerate(half)), np.zeros(2000, np.int64), 1)[0]
        for half in np.split(where, 2, axis=1)
    ]
    total = halves[0] + halves[1]
    assert len(total.patterns) == MOST
    assert sum(total.patterns.values()) + total.other == exact.total()
    for pattern, count in total.patterns.items():
        assert count <= exact[pattern] <= count + total.other


@given(parts, parts, parts)
def test_within_the_bound_it_is_a_monoid(a, b, c):
    assert (a + b) + c == a + (b + c) == Together.of_all((c, a, b))
    assert a + Together() == a


@given(parts)
def test_it_survives_its_record(together):
    assert Together.from_record(together.to_record()) == together


def test_what_came_unseen_is_not_missing_and_outputs_are_no_features():
    signature = [
        ColumnSpec("a", "feature", "categorical"),
        ColumnSpec("b", "feature", "numeric", maximum=5),
        ColumnSpec("y", "output", "numeric"),
    ]
    training = [*columns_of([{"a": "x", "b": 1}], "feature"), *columns_of([{"y": 1}], "output")]
    reference = reference_of(training, signature)
    rows = [{"a": "new", "b": None}, {"a": "x", "b": 9}, {"b": 2}, {"a": ""}]
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        ["id"] * 4,
        np.zeros(4, np.int64),
        np.full(4, np.nan, np.float32),
        columns_of(rows, "feature"),
    )
    assert count_windows(batch, reference, 1)[0].together == Together({(0,): 1, (1,): 2, (0, 1): 1})


def test_a_reference_keeps_its_patterns():
    reference = reference_of(columns_of([{"a": 1, "b": 2}, {"a": 1}, {}], "feature"))
    assert reference.together == Together({(1,): 1, (0, 1): 1})
    assert Reference.from_record(reference.to_record()).together == reference.together


@pytest.mark.parametrize("features", [1, 39, 40, 41, 80, 81, 200])
def test_any_number_of_features_can_be_missing(features):
    where = np.tril(np.ones((features, features), bool))
    (found,) = count_together(list(enumerate(where)), np.zeros(features, np.int64), 1)
    assert sum(found.patterns.values()) + found.other == features
    assert all(
        pattern == tuple(range(features - len(pattern), features)) for pattern in found.patterns
    )
