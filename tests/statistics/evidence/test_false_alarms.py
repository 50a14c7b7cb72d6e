"""Short forms of `bench_evidence.py`: streams in which nothing happens that is not natural."""

import numpy as np
import pytest

from benchmarks.bench_evidence import CLEAN, FEATURES, delay, run_length
from benchmarks.bench_evidence import Clean as Stream
from kedge.statistics.evidence.moods import DEVIATIONS, PERSISTENCE, Moods
from kedge.statistics.evidence.waves import SIZES, TILTS

WINDOWS = 240
# Of larger wandering the null does not know: docs/evidence.md says so.
NATURAL = [
    case
    for case in CLEAN
    if case.rows == 200
    and case.kind in ("daily rhythm", "one mood for all", "bursts", "wander")
    and case.size < 0.3
]


@pytest.mark.parametrize("case", NATURAL, ids=lambda case: case.name)
def test_what_is_natural_is_no_alarm(case):
    alarms, *_ = run_length(case, WINDOWS)
    assert alarms == 0


@pytest.mark.parametrize("seed", range(2))
def test_more_traffic_is_no_change_where_windows_vary_by_themselves(seed):
    stream = Stream("moods", 200, kind="bursts", size=0.1)
    alarms, *_ = run_length(stream, WINDOWS, seed=seed)
    assert alarms == 0


def test_a_stream_that_may_wander_does_not_hide_a_change():
    windows, missed_by = delay(200, 0.4, seed=1)
    assert windows <= 6
    assert missed_by == 0


@pytest.mark.parametrize("mood", range(len(DEVIATIONS)))
def test_a_mood_expects_what_its_autoregression_does(mood):
    # A state that is known for sure, and a simulation of where the tilt is after one window.
    rng = np.random.default_rng(0)
    states = np.array([0.0, *TILTS])
    moods, known = Moods(1), np.full((len(states), 1), -np.inf)
    known[2] = 0.0
    moods.learn(np.array([0]), known)
    noise = DEVIATIONS[mood] * np.sqrt(1 - PERSISTENCE[mood] ** 2) * rng.standard_normal(100_000)
    after = PERSISTENCE[mood] * states[2] + noise
    nearest = np.abs(after[:, None] - states).argmin(axis=1)
    shares = np.bincount(nearest, minlength=len(states)) / len(after)
    np.testing.assert_allclose(moods.expected[mood, :, 0], shares, atol=0.006)


def test_what_a_mood_expects_adds_up_to_one():
    rng = np.random.default_rng(0)
    moods, every = Moods(FEATURES), np.arange(FEATURES)
    for _ in range(5):
        moods.learn(every, rng.normal(scale=5, size=(len(TILTS) + 1, FEATURES)))
    same = np.full((len(TILTS) + 1, FEATURES), -3.0)
    np.testing.assert_allclose(moods.log_likelihood(every, same), -3)


def test_a_mood_is_never_lost_whatever_the_window():
    moods, one = Moods(1), np.array([0])
    far = np.where(np.arange(len(TILTS) + 1)[:, None] == len(SIZES), 0.0, -1e4)
    for states in (far, far[::-1], far):
        assert np.isfinite(moods.log_likelihood(one, states)).all()
        moods.learn(one, states)
    np.testing.assert_allclose(moods.expected.sum(axis=1), 1)
