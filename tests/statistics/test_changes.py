"""Against NumPy's least squares and brute force over all steps; and how often which is called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.statistics.changes import SIDE, Change, changes

WINDOWS = 31


def _criterion(residuals, weights, parameters):
    squares, m = float(np.sum(weights * residuals**2)), len(weights)
    variance = max(1.0, squares / m)
    return m * np.log(variance) + squares / variance + parameters * np.log(m), squares


def _by_brute_force(times, y, weights):
    """The criteria of no change, a line and the best step, its place, and the squares."""
    none = _criterion(y - np.average(y, weights=weights), weights, 1)
    # polyfit weighs residuals, not their squares.
    line = np.polyval(np.polyfit(times, y, 1, w=np.sqrt(weights)), times)
    steps = {}
    for place in range(SIDE, len(y) - SIDE + 1):
        sides = np.arange(len(y)) < place
        fitted = np.where(
            sides,
            np.average(y[sides], weights=weights[sides]),
            np.average(y[~sides], weights=weights[~sides]),
        )
        steps[place] = _criterion(y - fitted, weights, 3)
    place = min(steps, key=lambda place: steps[place][1])
    return [none, _criterion(y - line, weights, 2), steps[place]], place


@given(st.integers(0, 2**32 - 1), st.integers(8, 40), st.floats(-0.05, 0.05), st.floats(-1.0, 1.0))
def test_the_models_are_those_of_least_squares(seed, windows, slope, size):
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 30, windows))
    weights = rng.integers(1, 300, windows).astype(float)
    y = slope * times + size * (times > 15) + rng.normal(0, 1, windows) / np.sqrt(weights)
    # Windows without rows tell nothing.
    gaps = np.insert(weights, [0, 4], 0.0)
    found = changes(np.insert(times, [0, 4], [-1.0, times[3]]), np.insert(y, [0, 4], 9.0)[None],
                    gaps[None])  # fmt: skip
    expected, place = _by_brute_force(times, y, weights)
    scores = [criterion for criterion, _ in expected]
    scores[Change.NONE] -= 10
    assert found.windows == windows
    order = np.sort(scores)
    if order[1] - order[0] > 1e-6:
        assert found.best == np.argmin(scores)
    # The same place, counted without the gaps.
    assert np.count_nonzero(gaps[: found.place[0]]) == place
    for model, (_, squares) in enumerate(expected):
        free = windows - model - 1
        assert found.dispersion[model, 0] == pytest.approx(max(1, squares / free), rel=1e-6)


def _called(values, rows):
    weights = np.full(values.shape, float(rows))
    best = changes(np.arange(float(values.shape[1])), values, weights).best
    return [float(np.mean(best == model)) for model in Change]


def test_how_often_which_is_called():
    """2,000 series of windows of 200 rows: clean, creeping by 0.02 σ a window, jumping by 0.4 σ."""
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 200**-0.5, (2000, WINDOWS))
    clean = _called(noise, 200)
    assert clean[Change.NONE] >= 0.995
    ramp = _called(noise + 0.02 * np.arange(WINDOWS), 200)
    assert ramp[Change.LINE] >= 0.97
    step = _called(noise + 0.4 * (np.arange(WINDOWS) >= 20), 200)
    assert step[Change.STEP] >= 0.99
    # Windows that vary by themselves, three times as much as their rows do.
    assert _called(3 * noise, 200)[Change.NONE] >= 0.99


def test_what_does_not_vary_has_no_change_and_no_infinity():
    found = changes(np.arange(10.0), np.zeros((1, 10)), np.full((1, 10), 50.0))
    assert found.best == Change.NONE
    assert np.isfinite(found.dispersion).all()


def test_a_blip_is_no_step():
    y = np.zeros((1, WINDOWS))
    y[0, 12] = 1.0
    assert changes(np.arange(float(WINDOWS)), y, np.full(y.shape, 200.0)).best == Change.NONE
