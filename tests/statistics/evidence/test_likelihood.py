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
