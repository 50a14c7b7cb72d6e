"""Bounds from bins against SciPy on the raw values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from counting import statistics_of
from kedge.contracts import columns_of
from kedge.profile import ColumnSpec, Profile, reference_of
from kedge.statistics import kolmogorov_smirnov, window_statistics

ROUNDING = 2.0**-12
# Few distinct values give a bin each, many give quantile bins; ties are at edges and within bins.
numbers = st.one_of(
    st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=60),
    st.lists(st.integers(-40, 40).map(float), min_size=1, max_size=120),
    st.lists(st.floats(-50, 50), min_size=1, max_size=80),
)
training = numbers.filter(lambda values: max(values) - min(values) > 1e-3)


def _ks(window, reference):
    # The p-value is not asked for, and SciPy's exact one is slow and warns.
    return ks_2samp(window, reference, method="asymp").statistic


def _compared(window, reference):
    known = reference_of(columns_of([{"x": x} for x in reference], "feature"))
    return statistics_of([{"x": x} for x in window], known)


def _within(statistic, exact, tolerance):
    low = statistic.value if statistic.low is None else statistic.low
    high = statistic.value if statistic.high is None else statistic.high
    assert low == statistic.value
    assert low - tolerance <= exact <= high + tolerance
    return high - low


@given(numbers, training)
def test_the_raw_ks_is_within_the_bounds(window, reference):
    ks = _compared(window, reference)["ks"]
    _within(ks, _ks(window, reference), 1e-12)


@given(numbers, training)
def test_the_raw_wasserstein_is_within_the_bounds(window, reference):
    exact = wasserstein_distance(window, reference) / np.std(reference)
    _within(_compared(window, reference)["wasserstein"], exact, ROUNDING * max(1, exact))


@given(numbers, training)
def test_the_mean_shift_is_that_of_the_raw_values(window, reference):
    exact = (np.mean(window) - np.mean(reference)) / np.std(reference)
    assert _compared(window, reference)["mean_shift"].value == pytest.approx(exact, abs=ROUNDING)


@given(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=60), training)
def test_the_binned_ks_is_exact_where_each_value_has_a_bin(window, reference):
    levels = np.arange(-3, 4)
    counts = [
        np.array([sample.count(level) for level in levels])
        for sample in (window, [float(round(x) % 4) for x in reference])
    ]
    exact = _ks(*(np.repeat(levels, each) for each in counts))
    assert kolmogorov_smirnov(*counts).low == pytest.approx(exact)


@pytest.mark.parametrize("shift", [0.1, 0.5, 2.0, 30.0])
def test_a_shift_is_measured_in_deviations_within_a_few_hundredths(shift):
    rng = np.random.default_rng(5)
    reference, window = rng.normal(50, 7, 20_000), rng.normal(50 + 7 * shift, 7, 20_000)
    found = _compared(window, reference)
    exact = wasserstein_distance(window, reference) / np.std(reference)
    # A sample that has moved one way crosses nowhere: the lower bound is the distance itself.
    assert found["wasserstein"].value == pytest.approx(exact, abs=2e-3)
    assert _within(found["ks"], _ks(window, reference), 1e-12) <= 0.2


def test_ten_bins_leave_the_wasserstein_distance_of_equals_open_by_less_than_half_a_deviation():
    rng = np.random.default_rng(5)
    found = _compared(rng.normal(size=20_000), rng.normal(size=20_000))["wasserstein"]
    assert found.value < 0.02
    assert found.high - found.low < 0.5


def test_values_far_out_count_as_at_1024_deviations():
    found = _compared([1e300, -1e300], [0.0, 1.0] * 50)
    # The values of the reference are at -1 and 1, a deviation from the mean.
    assert found["wasserstein"].value == pytest.approx(1024, abs=1)
    assert found["mean_shift"].value == pytest.approx(0, abs=1e-6)


def test_a_constant_reference_has_a_ks_and_no_deviations_to_measure_in():
    found = _compared([5.0, 6.0], [5.0] * 20)
    assert found["ks"].value == 0.5
    for name in ("wasserstein", "mean_shift"):
        assert found[name].value is None
        assert found[name].note == "the reference has no standard deviation to measure in"


def test_few_rows_say_what_is_to_be_expected_of_them():
    reference = [float(i) for i in range(1000)]
    for name in ("psi", "ks", "wasserstein"):
        assert _compared(reference[::200], reference)[name].note == (
            "few rows: with nothing changed, PSI would be about 1.8"
        )
        assert _compared(reference, reference)[name].note is None


def test_ordered_categories_have_a_ks_without_the_unseen():
    sizes = ("S", "M", "L", "XL")
    reference = reference_of(
        columns_of([{"size": size} for size in ["S", "M", "M", "L"]], "feature"),
        [ColumnSpec("size", "feature", "categorical", order=sizes)],
    )
    found = statistics_of([{"size": size} for size in ["L", "XL", "XXL"]], reference)
    exact = _ks([2, 3], [0, 1, 1, 2])
    assert (found["ks"].value, found["ks"].low, found["ks"].rows) == (exact, None, 2)
    assert found["psi"].rows == 3
    assert "wasserstein" not in found
    none = statistics_of([{"size": "XXL"}], reference)["ks"]
    assert (none.value, none.note) == (None, "no usable value in the window")


def test_nothing_at_all_has_no_distance():
    reference = reference_of(columns_of([{"x": float(i)} for i in range(20)], "feature"))
    for statistic in window_statistics(Profile.empty(reference), reference):
        if statistic.name in ("ks", "wasserstein", "mean_shift"):
            assert (statistic.value, statistic.note) == (None, "no usable value in the window")
