import binascii
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import ColumnSpec, Reference, count_windows, infer_signature, reference_of
from kedge.statistics import window_statistics


def _reference(values, **options):
    return reference_of(columns_of([{"x": value} for value in values], "feature"), **options)


@given(st.lists(st.floats(-1e6, 1e6), min_size=30, max_size=200, unique=True))
def test_quantile_bins_hold_the_shares_that_numpy_says(values):
    (column,) = _reference(values).columns
    expected = np.unique(np.quantile(values, np.linspace(0, 1, 11)[1:-1]))
    assert column.bins.edges.tolist() == expected.tolist()
    in_bins = np.histogram(values, [-np.inf, *expected, np.inf])[0]
    assert column.counts.tolist() == in_bins.tolist()


def test_a_constant_feature_that_moves_either_way_leaves_its_bin():
    (column,) = _reference([5.0] * 20).columns
    assert column.counts.tolist() == [0, 20, 0]
    below, at, above = np.searchsorted(
        column.bins.edges, [4.999, 5.0, np.nextafter(5, 6)], side="right"
    )
    assert (below, at, above) == (0, 1, 2)


def test_all_missing_has_one_bin_and_no_counts():
    (column,) = _reference([None] * 5, signature=[ColumnSpec("x", "feature", "numeric")]).columns
    assert column.counts.tolist() == [0]
    assert column.missing.tolist() == [0, 5, 0, 0, 0, 0, 0, 0]


def test_categories_are_the_most_frequent_first():
    (column,) = _reference(["b", "a", "b", "c", "a", "b", ""], most_categories=3).columns
    assert column.bins.categories == ("b", "a", "c")
    assert column.counts.tolist() == [3, 2, 1]
    assert column.missing.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]


def test_numbers_out_of_range_set_no_edge_and_no_scale():
    spec = ColumnSpec("x", "feature", "numeric", minimum=0, maximum=100)
    values = [float(number) for number in range(50)]
    (clean,) = _reference(values, signature=[spec]).columns
    (marked,) = _reference([*values, *[-999.0] * 20, 1e9], signature=[spec]).columns
    assert marked.bins.edges.tolist() == clean.bins.edges.tolist()
    assert (marked.scale, marked.sums.tolist()) == (clean.scale, clean.sums.tolist())
    assert marked.missing.tolist() == [0, 0, 0, 0, 0, 0, 21, 0]


def test_what_is_beyond_the_most_frequent_shares_the_tail():
    rare = [f"rare {number}" for number in range(500)]
    (column,) = _reference([*["b"] * 3, "", *["a"] * 2, *rare], most_categories=2).columns
    assert column.bins.categories == ("b", "a")
    expected = Counter(binascii.crc32(text.encode()) % 32 for text in rare)
    assert column.counts.tolist() == [3, 2, *(expected[number] for number in range(32))]
    assert column.missing.tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    after = Reference.from_record(_reference(rare).to_record())
    assert after.to_record() == _reference(rare).to_record()


def test_an_order_gives_the_bins():
    spec = ColumnSpec("x", "feature", "categorical", order=("S", "M", "L"))
    (column,) = _reference(["M", "L", "L", "XL"], signature=[spec]).columns
    assert column.bins.categories == ("S", "M", "L")
    assert column.counts.tolist() == [0, 1, 2]
    assert column.missing[-1] == 1


@pytest.mark.parametrize(
    ("type_", "order", "message"),
    [
        ("numeric", ("1", "2"), "is numeric: categories have an order"),
        ("categorical", ("S", "M", "S"), "twice or an empty one"),
        ("categorical", ("", "M"), "twice or an empty one"),
    ],
)
def test_an_order_that_is_none_is_refused(type_, order, message):
    with pytest.raises(ValueError, match=message):
        ColumnSpec("size", "feature", type_, order=order)


@given(st.lists(st.integers(-(10**6), 10**6).map(lambda n: n / 7), min_size=2, max_size=50))
def test_the_scale_is_mean_and_deviation_of_the_usable_values(values):
    scale = _reference([*values, None, float("nan")]).columns[0].scale
    if min(values) == max(values):
        assert scale is None
    else:
        assert scale.center == pytest.approx(np.mean(values))
        assert scale.spread == pytest.approx(np.std(values))


@pytest.mark.parametrize("values", [[0.1] * 10, [-1e308, 1e308, 1e308], [0.0, 5e-324], [None]])
def test_without_a_finite_deviation_there_is_no_scale(values):
    signature = [ColumnSpec("x", "feature", "numeric")]
    (column,) = _reference(values, signature=signature).columns
    assert column.scale is None
    assert len(column.sums) == 0


def test_the_signature_is_inferred_from_the_data():
    columns = columns_of([{"n": 1, "t": "x", "b": True, "v": [0.1, 0.2]}], "feature")
    assert {spec.name: spec.type for spec in infer_signature(columns)} == {
        "n": "numeric",
        "t": "categorical",
        "b": "boolean",
        "v": "vector",
    }


def test_mixed_types_want_a_decision():
    with pytest.raises(ValueError, match=r"feature `x` .* both .* give it one type"):
        _reference([1.0, "one"])


def test_columns_of_different_lengths_are_refused():
    columns = [*columns_of([{"x": 1}], "feature"), *columns_of([{"y": 1}, {"y": 2}], "feature")]
    with pytest.raises(ValueError, match=r"one length, not of \[1, 2\]"):
        reference_of(columns)


@given(st.lists(st.floats(-9, 9) | st.none() | st.just("x"), min_size=1, max_size=30))
def test_a_reference_survives_its_record(values):
    before = _reference(values, signature=[ColumnSpec("x", "feature", "numeric", minimum=-5)])
    after = Reference.from_record(before.to_record())
    assert after.to_record() == before.to_record()
    assert after.signature == before.signature


def test_a_record_whose_counts_do_not_fit_its_bins_is_refused():
    record = _reference([1.0, 2.0]).to_record()
    record["columns"][0]["counts"].append(0)
    with pytest.raises(ValueError, match="reference of feature `x` has 5 counts for 4 bins"):
        Reference.from_record(record)


def test_a_reference_from_before_more_was_kept_is_read_without_it():
    """As a registry holds it that an older version made."""
    rows = [{"x": float(n), "y": float(-n), "c": "ab"[n % 2]} for n in range(30)]
    whole = reference_of(columns_of(rows, "feature"))
    record = whole.to_record()
    kept = (
        "name",
        "role",
        "type",
        "minimum",
        "maximum",
        "edges",
        "categories",
        "counts",
        "missing",
    )
    older = {
        "rows": record["rows"],
        "columns": [{name: column[name] for name in kept} for column in record["columns"]],
    }
    read = Reference.from_record(older)
    assert read.signature == whole.signature
    assert [c.counts.tolist() for c in read.columns] == [c.counts.tolist() for c in whole.columns]
    assert [c.scale for c in read.columns] == [None] * 3
    assert read.projection is None
    (profile,) = count_windows(
        PredictionBatch(
            Tags("m", "mv", "cv", 1, "e"),
            [str(n) for n in range(30)],
            np.zeros(30, np.int64),
            np.full(30, np.nan, np.float32),
            columns_of(rows, "feature"),
        ),
        read,
        60_000_000,
    ).values()
    values = {(s.name, s.column): s.value for s in window_statistics(profile, read)}
    assert values["psi", "x"] == values["ks", "x"] == 0
    assert values["reconstruction_error", None] is None
