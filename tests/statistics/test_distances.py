"""Distances against SciPy, and against their textbook properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from kedge.statistics import js_distance, psi

counts = st.integers(2, 12).flatmap(
    lambda bins: st.tuples(
        *[
            st.lists(st.integers(0, 10_000), min_size=bins, max_size=bins).filter(any).map(np.array)
            for _ in range(2)
        ]
    )
)
full = counts.map(lambda pair: tuple(array + 2000 for array in pair))


@given(counts)
def test_js_distance_is_scipys(pair):
    p, q = (array / array.sum() for array in pair)
    assert js_distance(*pair) == pytest.approx(np.nan_to_num(jensenshannon(p, q, base=2)), abs=1e-7)


@given(full)
def test_psi_without_empty_bins_is_the_symmetric_relative_entropy(pair):
    p, q = pair
    assert psi(p, q) == pytest.approx(entropy(p, q) + entropy(q, p), abs=1e-9)


@given(counts)
def test_psi_is_finite_and_never_negative_and_zero_only_for_equals(pair):
    window, reference = pair
    value = psi(window, reference)
    assert np.isfinite(value)
    assert value >= 0
    assert psi(window, window * 3) == pytest.approx(0, abs=1e-12)


@given(counts)
def test_distances_do_not_care_which_side_is_the_reference(pair):
    window, reference = pair
    for distance in (psi, js_distance):
        assert distance(window, reference) == pytest.approx(distance(reference, window))


def test_psi_of_an_empty_bin_takes_its_share_as_one_in_ten_thousand():
    p, q = np.array([0.5, 0.5]), np.array([1.0, 1e-4])
    expected = float(np.sum((p - q) * np.log(p / q)))
    assert psi(np.array([50, 50]), np.array([100, 0])) == pytest.approx(expected, abs=1e-12)


def test_published_example():
    # Yurdakul, "Statistical Properties of Population Stability Index" (2018), by its formula, on
    # shares given there in percent: (p - q) ln(p / q) summed by hand.
    p, q = np.array([20, 30, 50]), np.array([30, 40, 30])
    by_hand = -0.1 * np.log(2 / 3) - 0.1 * np.log(3 / 4) + 0.2 * np.log(5 / 3)
    assert psi(p, q) == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("distance", [psi, js_distance])
def test_no_data_has_no_distance(distance):
    nothing, something = np.array([0, 0]), np.array([1, 2])
    assert distance(nothing, something) is None
    assert distance(something, nothing) is None
    assert js_distance(np.array([4, 0]), np.array([0, 9])) == 1
