"""Distances against SciPy, and against their textbook properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import chebyshev, euclidean, jensenshannon
from scipy.stats import chi2_contingency, entropy

from kedge.statistics import chi_squared, hellinger, js_distance, l_infinity, psi

DISTANCES = [psi, js_distance, hellinger, l_infinity, chi_squared]

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
    for distance in DISTANCES:
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


@given(counts)
def test_hellinger_is_the_euclidean_distance_of_the_roots(pair):
    p, q = (np.sqrt(array / array.sum()) for array in pair)
    assert hellinger(*pair) == pytest.approx(euclidean(p, q) / np.sqrt(2), abs=1e-12)


@given(counts)
def test_l_infinity_is_the_chebyshev_distance(pair):
    p, q = (array / array.sum() for array in pair)
    assert l_infinity(*pair) == pytest.approx(chebyshev(p, q), abs=1e-12)


@given(counts)
def test_chi_squared_is_scipys_per_degree_of_freedom(pair):
    table = np.array(pair)
    table = table[:, table.any(axis=0)]
    expected = chi2_contingency(table, correction=False)
    if expected.dof:
        assert chi_squared(*pair) == pytest.approx(expected.statistic / expected.dof)
    else:
        assert chi_squared(*pair) == 0


def test_chi_squared_is_about_one_with_nothing_changed_whatever_the_sizes():
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.ones(10))
    for rows in (50, 5000):
        values = [
            chi_squared(rng.multinomial(rows, shares), rng.multinomial(20_000, shares))
            for _ in range(400)
        ]
        assert np.mean(values) == pytest.approx(1, abs=4 * np.std(values) / 20)


@given(counts)
def test_distances_are_finite_and_never_negative_and_zero_for_equals(pair):
    for distance in DISTANCES:
        assert np.isfinite(distance(*pair))
        assert distance(*pair) >= 0
        assert distance(pair[0], pair[0]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("distance", DISTANCES)
def test_no_data_has_no_distance(distance):
    nothing, something = np.array([0, 0]), np.array([1, 2])
    assert distance(nothing, something) is None
    assert distance(something, nothing) is None
    assert js_distance(np.array([4, 0]), np.array([0, 9])) == 1
