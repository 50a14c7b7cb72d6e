import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.statistics.evidence import sums
from kedge.statistics.evidence.sums import Sums

steps = st.lists(st.tuples(st.floats(-3, 3), st.booleans()), min_size=1, max_size=20)


@given(steps)
def test_a_sum_is_that_over_all_onsets_and_knows_their_mean_and_variance(steps):
    folded, cells = Sums(1, 1, 1), np.array([0])
    terms = {}  # by onset: the product of the e-values since
    for index, (log_e, bets) in enumerate(steps):
        start = 60.0 * index
        terms = {onset: sums._KEPT * term for onset, term in terms.items()}
        if bets:
            terms[start] = 1.0
            terms = {onset: term * np.exp(log_e) for onset, term in terms.items()}
        folded.add(np.array([[[log_e]]]), np.array([[[bets]]]), cells, start)
    total = sum(terms.values())
    if not terms:
        assert folded.values.item() == 0
        return
    mean = sum(onset * term for onset, term in terms.items()) / total
    variance = sum((onset - mean) ** 2 * term for onset, term in terms.items()) / total
    assert folded.values.item() == pytest.approx(total)
    onset = folded.onset(np.array([True]))
    assert onset.likely == pytest.approx(mean, abs=1e-6)
    assert onset.latest - onset.earliest == pytest.approx(4 * np.sqrt(variance), abs=1e-3)


def test_without_evidence_a_sum_stays_small():
    folded = Sums(1, 1, 1)
    for index in range(2000):
        folded.add(np.zeros((1, 1, 1)), np.ones((1, 1, 1), bool), np.array([0]), index)
    assert folded.values.item() < 1 / (1 - sums._KEPT)


def test_after_a_long_alarm_a_sum_is_down_again_soon():
    folded, cells, bet = Sums(1, 1, 1), np.array([0]), np.ones((1, 1, 1), bool)
    for index in range(1000):
        folded.add(np.full((1, 1, 1), 5.0), bet, cells, index)
    for index in range(4):
        folded.add(np.full((1, 1, 1), -5.0), bet, cells, 1000 + index)
    assert folded.values.item() < 1
