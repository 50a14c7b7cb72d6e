import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import batch_of
from kedge.contracts import columns_of
from kedge.performance import Dle, Task, estimates, estimator_of, with_estimator
from kedge.performance.loss_model import LossModel
from kedge.profile import Expectation, Reference, count_windows, reference_of


def _population(rows, seed, *, power=1.0):
    """Noise that two features cause together; the third one says nothing. `power` drifts them."""
    random = np.random.default_rng(seed)
    a, b = random.random((2, rows)) ** power
    output = 10 * a
    truth = output + random.normal(0, 1, rows) * (0.2 + 3 * a * b)
    c = random.integers(0, 3, rows)
    features = [{"a": x, "b": y, "c": "xyz"[k]} for x, y, k in zip(a, b, c, strict=True)]
    return features, [{"output": value} for value in output.tolist()], truth.tolist()


def _reference(features, outputs, truths):
    columns = [*columns_of(features, "feature"), *columns_of(outputs, "output")]
    return with_estimator(reference_of(columns), columns, truths)


@pytest.fixture(scope="module")
def reference():
    return _reference(*_population(20_000, 1))


def _expected(reference, features, outputs):
    profile = count_windows(batch_of(features, outputs), reference, 1, estimator_of(reference))[0]
    return profile.expectation


def _estimated(reference, features, outputs):
    expectation = _expected(reference, features, outputs)
    return list(estimates(estimator_of(reference), reference, expectation))


@pytest.mark.parametrize("power", [2, 1, 0.5])
def test_estimates_follow_the_loss_when_inputs_drift(reference, power):
    features, outputs, truths = _population(20_000, 2, power=power)
    errors = np.array([row["output"] for row in outputs]) - np.array(truths)
    mae, rmse = _estimated(reference, features, outputs)
    assert mae.value == pytest.approx(np.mean(np.abs(errors)), rel=0.05)
    assert rmse.value == pytest.approx(np.sqrt(np.mean(errors**2)), rel=0.07)


def test_bands_are_three_standard_deviations_of_windows(reference):
    features, outputs, truths = _population(20_000, 3)
    errors = np.abs([row["output"] - truth for row, truth in zip(outputs, truths, strict=True)])
    random = np.random.default_rng(4)
    for statistic, power in zip(
        _estimated(reference, features[:500], outputs[:500]), (1, 2), strict=True
    ):
        spread = np.std(
            [
                np.mean(errors[random.integers(0, len(errors), 500)] ** power) ** (1 / power)
                for _ in range(300)
            ]
        )
        assert (statistic.high - statistic.low) / 6 == pytest.approx(spread, rel=0.15)


def test_a_tree_finds_what_only_two_columns_together_say():
    cells = np.array([[a, b] for a in range(4) for b in range(4)] * 100).T
    losses = ((cells[0] > 1) & (cells[1] > 1)).astype(float)
    model = LossModel.fit(cells, (4, 4), losses)
    np.testing.assert_allclose(model(cells) * model.unit, losses, atol=0.01)


def test_without_anything_to_learn_the_mean_is_expected():
    cells = np.zeros((2, 50), np.int64)
    model = LossModel.fit(cells, (1, 3), np.linspace(0, 1, 50))
    assert model.answers.shape == (0, 64)
    assert (model(cells[:, :2]) * model.unit).tolist() == [0.5, 0.5]


cells_and_losses = st.integers(1, 60).flatmap(
    lambda rows: st.tuples(
        st.lists(
            st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=rows, max_size=rows
        ),
        st.lists(st.floats(0, 1e6), min_size=rows, max_size=rows),
    )
)


@settings(max_examples=25)
@given(cells_and_losses, st.sampled_from([np.uint8, np.uint16, np.int64]))
def test_trees_answer_as_they_do_when_asked_one_by_one(known, kind):
    """Also where a question's cell is beyond the type that the rows are given in."""
    cells, losses = np.array(known[0]).T, np.array(known[1])
    model = LossModel.fit(cells, (301,) * 3, losses)
    asked = cells[:, : min(cells.shape[1], 9)] % (np.iinfo(kind).max if kind is np.uint8 else 301)
    expected = []
    for row in asked.T:
        total = model.mean
        for tree in model.to_json()["trees"]:
            later = [row[c] > cell for c, cell in zip(tree["columns"], tree["cells"], strict=True)]
            total += tree["answers"][sum(bit << level for level, bit in enumerate(later))]
        expected.append(min(max(total, 0), 1024 << 26))
    assert model(asked.astype(kind)).tolist() == expected
    again = LossModel.from_json(json.loads(json.dumps(model.to_json())))
    assert again(asked).tolist() == expected


@settings(max_examples=30)
@given(st.integers(0, 100), st.integers(1, 100))
def test_expectations_add_up_and_are_taken_out(reference, some, others):
    features, outputs, _ = _population(some + others, 5)
    outputs = [{"output": None if i % 7 == 3 else o["output"]} for i, o in enumerate(outputs)]
    a = _expected(reference, features[:some], outputs[:some]) if some else Expectation()
    b = _expected(reference, features[some:], outputs[some:])
    assert a + b == _expected(reference, features, outputs)
    assert a + b - b == a
    unusable = sum(row["output"] is None for row in outputs)
    assert (a + b).dense(4)[:2].tolist() == [some + others - unusable, unusable]


def test_the_reference_is_read_back(reference):
    features, outputs, _ = _population(100, 6)
    again = Reference.from_record(json.loads(json.dumps(reference.to_record())))
    assert _estimated(again, features, outputs) == _estimated(reference, features, outputs)


def test_a_window_of_nothing_says_so(reference):
    for statistic in estimates(estimator_of(reference), reference, Expectation()):
        assert (statistic.value, statistic.rows) == (None, 0)
        assert statistic.note == "no usable output in the window"


def test_other_tasks_and_no_labels_are_refused():
    columns = columns_of([{"y": 1.0}], "output")
    reference = reference_of(columns)
    with pytest.raises(ValueError, match="`y` is of a binary task"):
        Dle.fit(Task("binary", "y"), reference, [np.zeros(1, np.int64)], [1], [1])
    with pytest.raises(ValueError, match="without a row that has output and truth"):
        Dle.fit(Task("regression", "y"), reference, [np.zeros(1, np.int64)], [1.0], [None])
