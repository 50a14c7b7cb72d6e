import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.statistics.evidence import sums
from kedge.statistics.evidence.sums import Sums

# So small that no sum of so many reaches the limit.
logs = st.floats(-3, 0.5)
steps = st.lists(st.tuples(logs, logs, st.booleans()), min_size=1, max_size=20)


def _added(folded, log_e, start, *, log_new=-np.inf, bets=True):
    """Take a window in, of one expert and one cell."""
    one = np.ones((1, 1))
    folded.add(log_e * one, np.array([log_new]), one * bets > 0, np.array([0]), start)


@given(steps)
def test_a_sum_is_that_over_all_onsets_and_knows_their_mean_and_variance(steps):
    folded = Sums(1, 1)
    terms = {}  # by onset: what was bet on it, multiplied by the e-values since
    for index, (log_e, log_new, bets) in enumerate(steps):
        e, e_of_others = np.exp(log_e if bets else 0.0), np.exp(log_new)
        terms = {onset: sums._KEPT * e * term for onset, term in terms.items()}
        terms[60.0 * index] = (e * bets + e_of_others) / 2
        _added(folded, log_e, 60.0 * index, log_new=log_new, bets=bets)
    total = sum(terms.values())
    mean = sum(onset * term for onset, term in terms.items()) / total
    variance = sum((onset - mean) ** 2 * term for onset, term in terms.items()) / total
    assert folded.values.item() == pytest.approx(total)
    onset = folded.onset(np.array([True]))
    assert onset.likely == pytest.approx(mean, abs=1e-6)
    assert onset.latest - onset.earliest == pytest.approx(4 * np.sqrt(variance), abs=1e-3)


def test_where_nothing_is_bet_there_is_no_sum():
    folded = Sums(1, 1)
    for index in range(3):
        _added(folded, 1.0, index, bets=False)
    assert folded.values.item() == 0


def test_without_evidence_a_sum_stays_small():
    folded = Sums(1, 1)
    for index in range(2000):
        _added(folded, 0.0, index, log_new=0.0)
    assert folded.values.item() < 1 / (1 - sums._KEPT)


def test_after_a_long_alarm_a_sum_is_down_again_soon():
    folded = Sums(1, 1)
    for index in range(1000):
        _added(folded, 5.0, index)
    for index in range(4):
        _added(folded, -5.0, 1000 + index)
    assert folded.values.item() < 1
