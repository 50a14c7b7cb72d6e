import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import dirichlet_multinomial

from kedge.statistics.evidence.likelihood import WindowCounts

cells = st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=1, max_size=5)


@given(cells, st.floats(0.5, 5000), st.integers(0, 2**32 - 1))
def test_the_likelihood_is_scipys_without_the_coefficient(counts, concentration, seed):
    counts = np.array(counts, float)
    centre = np.random.default_rng(seed).dirichlet(np.ones(4), size=len(counts)) + 1e-9
    window = WindowCounts(counts)
    assert window.cells.tolist() == [i for i, row in enumerate(counts) if row.any()]
    if not len(window.cells):
        return
    found = window.log_likelihood(np.full(len(window.cells), concentration), centre)
    for cell, value in zip(window.cells, found, strict=True):
        row = counts[cell].astype(int)
        coefficient = gammaln(row.sum() + 1) - gammaln(row + 1).sum()
        expected = dirichlet_multinomial.logpmf(row, concentration * centre[cell], row.sum())
        assert value + coefficient == pytest.approx(expected, rel=1e-7, abs=1e-7)


def test_a_gain_is_the_mean_over_the_bins_and_shares_that_it_may_be():
    counts, sizes = np.array([[3.0, 0.0, 9.0, 0.0], [2.0, 5.0, 0.0, 0.0]]), np.array([4, 3])
    centre = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.3, 0.2, 0.0]])
    concentration, shares = np.array([50.0, 7.0]), np.array([0.05, 0.4])
    found = WindowCounts(counts).log_gain(shares, concentration, centre, sizes)
    for cell, value in enumerate(found):
        size = sizes[cell]
        row = counts[cell, :size].astype(int)
        coefficient = gammaln(row.sum() + 1) - gammaln(row + 1).sum()
        likely = [
            dirichlet_multinomial.pmf(
                row,
                concentration[cell] * ((1 - share) * centre[cell, :size] + share * np.eye(size)[i]),
                row.sum(),
            )
            for share in shares
            for i in range(size)
        ]
        assert value + coefficient == pytest.approx(np.log(np.mean(likely)), abs=1e-6)
