"""The null's predictions and the experts' are probabilities, so their ratio is an e-value."""

from itertools import combinations_with_replacement

import numpy as np
import pytest
from scipy.special import gammaln

from kedge.statistics import Evidence
from kedge.statistics.evidence.experts import GAINS
from kedge.statistics.evidence.likelihood import WindowCounts
from windows_of_evidence import BINS, MINUTE, SLOPE, counts_of, reference

ROWS = 4


def _every_window():
    """Every way to count so many rows in the bins of a cell of a number, and how many rows do."""
    for bins in combinations_with_replacement(range(BINS), ROWS):
        counts = np.bincount(bins, minlength=BINS)
        yield counts, np.exp(gammaln(ROWS + 1) - gammaln(counts + 1).sum())


@pytest.mark.parametrize("seen", [0, 1, 30])
@pytest.mark.parametrize("rows", [0, 50, 5000])
def test_whatever_was_seen_an_e_value_is_one_in_the_mean_of_the_null(rows, seen):
    rng = np.random.default_rng(1)
    evidence = Evidence(reference(rows))
    for minute in range(seen):
        window = counts_of(rng, 100, shares=1 + 0.5 * (minute % 2) * SLOPE)
        evidence.observe(window, minute * MINUTE)
    null, experts = evidence._null, evidence._experts
    expected = null.expect(0)
    guesses = experts.guess(expected.centre, expected.centre)
    natural = expected.variation + null.natural
    cell = 4  # the values of the first column; before them come the four of missing
    total_of_null, total_of_experts, mean = 0.0, 0.0, 0.0
    for counts, ways in _every_window():
        cells = np.zeros((len(evidence._cells), evidence._cells.bins))
        cells[cell, :BINS] = counts
        window = WindowCounts(cells)
        tilts = evidence._waves.tilted(cells, window, expected.centre, 1 / natural)
        gain = window.log_gain(GAINS, 1 / natural, expected.centre, evidence._cells.sizes)
        guessed = guesses.log_likelihood(window, natural, gain, tilts)
        of_null = np.exp(null.predict(window, expected, guessed, tilts).mixture[0])
        of_experts = np.exp(guessed[..., 0])
        total_of_null += ways * of_null
        total_of_experts += ways * of_experts
        mean += ways * of_null * (of_experts / of_null)
    assert total_of_null == pytest.approx(1)
    assert total_of_experts == pytest.approx(np.ones_like(total_of_experts))
    assert mean == pytest.approx(np.ones_like(mean))
