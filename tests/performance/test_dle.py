import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.performance import Dle, ExpectedLosses, Task
from kedge.performance.loss_model import LossModel

TASK = Task("regression", "y")
SIZES = (11, 11, 3)


def _population(rows, seed, *, power=1.0):
    """Noise that two features cause together; the third one says nothing. `power` drifts them."""
    random = np.random.default_rng(seed)
    a, b = random.random((2, rows)) ** power
    output = 10 * a
    truth = output + random.normal(0, 1, rows) * (0.2 + 3 * a * b)
    cells = np.stack([a * 10, b * 10, random.integers(0, 3, rows)], axis=1).astype(np.int64)
    return cells, output.tolist(), truth.tolist()


@pytest.fixture(scope="module")
def dle():
    cells, outputs, truths = _population(20_000, 1)
    return Dle.fit(TASK, cells, SIZES, outputs, truths)


@pytest.mark.parametrize("power", [2, 1, 0.5])
def test_estimates_follow_the_loss_when_inputs_drift(dle, power):
    cells, outputs, truths = _population(20_000, 2, power=power)
    errors = np.array(outputs) - np.array(truths)
    mae, rmse = dle.estimates(dle.expect(cells, outputs))
    assert mae.value == pytest.approx(np.mean(np.abs(errors)), rel=0.05)
    assert rmse.value == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.07)


def test_bands_are_three_standard_deviations_of_windows(dle):
    cells, outputs, truths = _population(20_000, 3)
    errors = np.abs(np.array(outputs) - np.array(truths))
    (mae, rmse) = dle.estimates(dle.expect(cells[:500], outputs[:500]))
    random = np.random.default_rng(4)
    for statistic, power in ((mae, 1), (rmse, 2)):
        low, high = (float(text) for text in statistic.note.split(" by ")[0].split(" to "))
        spread = np.std(
            [
                np.mean(errors[random.integers(0, len(errors), 500)] ** power) ** (1 / power)
                for _ in range(300)
            ]
        )
        assert (high - low) / 6 == pytest.approx(spread, rel=0.15)


def test_a_tree_finds_what_only_two_columns_together_say():
    cells = np.array([[a, b] for a in range(4) for b in range(4)] * 100)
    losses = ((cells[:, 0] > 1) & (cells[:, 1] > 1)).astype(float)
    model = LossModel.fit(cells, (4, 4), losses)
    np.testing.assert_allclose(model(cells), losses, atol=0.01)


def test_without_anything_to_learn_the_mean_is_expected():
    cells = np.zeros((50, 2), np.int64)
    model = LossModel.fit(cells, (1, 3), np.linspace(0, 1, 50))
    assert model.trees == ()
    assert model(cells[:2]).tolist() == [0.5, 0.5]


@given(st.integers(0, 100), st.integers(0, 100))
def test_expectations_add_up_and_are_taken_out(dle, some, others):
    cells, outputs, _ = _population(some + others, 5)
    outputs = [None if i % 7 == 3 else output for i, output in enumerate(outputs)]
    a, b = dle.expect(cells[:some], outputs[:some]), dle.expect(cells[some:], outputs[some:])
    assert a + b == dle.expect(cells, outputs)
    assert a + b - b == a
    assert ExpectedLosses.from_json(TASK, json.loads(json.dumps(a.to_json()))) == a
    assert a.rows + a.unusable == some


def test_json_is_read_back(dle):
    cells, outputs, _ = _population(100, 6)
    again = Dle.from_json(json.loads(json.dumps(dle.to_json())))
    assert list(again.estimates(again.expect(cells, outputs))) == list(
        dle.estimates(dle.expect(cells, outputs))
    )


def test_a_window_of_nothing_says_so(dle):
    for statistic in dle.estimates(dle.expect(np.empty((0, 3), np.int64), []), "a=b"):
        assert (statistic.value, statistic.rows, statistic.segment) == (None, 0, "a=b")
        assert statistic.note == "no usable output in the window"


def test_other_tasks_and_no_labels_are_refused():
    cells = np.zeros((1, 1), np.int64)
    with pytest.raises(ValueError, match="`y` is of a binary task"):
        Dle.fit(Task("binary", "y"), cells, (1,), [1], [1])
    with pytest.raises(ValueError, match="without a row that has output and truth"):
        Dle.fit(TASK, cells, (1,), [1.0], [None])
