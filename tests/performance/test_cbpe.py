import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.performance import Cbpe, Task, metrics, scores_of
from kedge.performance.sampling_error import sampling_errors
from kedge.profile import Expectation

METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss", "brier")
TASK = Task("binary", "y_pred_proba", threshold=0.65)
CAR_LOAN = json.loads((Path(__file__).parent / "car_loan.json").read_text(encoding="utf-8"))


def _rows(counts):
    """Scores and labels of a table of rows by label and hundredth of the score."""
    label, hundredth = np.nonzero(np.array(counts))
    repeats = np.array(counts)[label, hundredth]
    return np.repeat(hundredth / 100, repeats).tolist(), np.repeat(label, repeats).tolist()


@pytest.fixture(scope="module")
def car_loan():
    return Cbpe.fit(TASK, *_rows(CAR_LOAN["reference"]))


def _estimates(cbpe, scores):
    return {s.name.removeprefix("estimated_"): s for s in cbpe.estimates(cbpe.expect(scores))}


@pytest.mark.parametrize("chunk", CAR_LOAN["chunks"])
def test_nannymls_estimates_on_its_car_loans(car_loan, chunk):
    found = _estimates(car_loan, _rows(chunk["rows"])[0])
    for name, theirs in chunk["nannyml"].items():
        assert found[name].value == pytest.approx(theirs, abs=2e-5), name


def test_the_estimate_follows_the_labels_when_the_car_loans_drift(car_loan):
    # In the second half inputs drift, and accuracy falls from 94.4 % to 91.6 %.
    estimated, realised = [], []
    for chunk in CAR_LOAN["chunks"]:
        scores, labels = _rows(chunk["rows"])
        known = {s.name: s.value for s in metrics(scores_of(TASK, scores, labels))}
        found = _estimates(car_loan, scores)
        estimated.append([found[name].value for name in ("accuracy", "f1", "roc_auc")])
        realised.append([known[name] for name in ("accuracy", "f1", "roc_auc")])
    np.testing.assert_allclose(estimated, realised, atol=0.01)
    assert np.max(estimated[5:], axis=0)[0] < np.min(estimated[:5], axis=0)[0] - 0.02


def _population(rows, seed):
    random = np.random.default_rng(seed)
    score = random.beta(2, 5, rows)
    return score, (random.random(rows) < score).astype(int)


def test_of_calibrated_scores_the_expectation_is_that_of_the_labels():
    score, label = _population(200_000, 1)
    task = Task("binary", "y", threshold=0.4)
    cbpe = Cbpe.fit(task, score.tolist(), label.tolist())
    fresh, truth = _population(200_000, 2)
    found = _estimates(cbpe, fresh.tolist())
    realised = {s.name: s.value for s in metrics(scores_of(task, fresh.tolist(), truth.tolist()))}
    for name in METRICS:
        assert found[name].value == pytest.approx(realised[name], abs=0.006), name


def test_standard_errors_are_those_of_many_windows():
    score, label = _population(100_000, 3)
    task, rows, windows = Task("binary", "y", threshold=0.4), 1000, 400
    errors = sampling_errors(scores_of(task, score.tolist(), label.tolist()), rows)
    random = np.random.default_rng(4)
    values = {name: [] for name in errors}
    for _ in range(windows):
        drawn = random.integers(0, len(score), rows)
        of_window = scores_of(task, score[drawn].tolist(), label[drawn].tolist())
        for statistic in metrics(of_window):
            if statistic.name in values:
                values[statistic.name].append(statistic.value)
    for name, found in values.items():
        # A standard deviation from 400 values is known to about 3.5 %.
        assert errors[name] == pytest.approx(np.std(found), rel=0.14), name


scores = st.lists(st.floats(0, 1) | st.none(), max_size=40)


@given(scores, scores)
def test_expectations_add_up_and_are_taken_out(car_loan, some, others):
    a, b = car_loan.expect(some), car_loan.expect(others)
    assert a + b == car_loan.expect(some + others)
    assert a + b - b == a
    assert Expectation.from_record(json.loads(json.dumps(a.to_record()))) == a


@given(scores)
def test_every_estimate_is_a_share_or_says_why_not(car_loan, given_scores):
    for statistic in car_loan.estimates(car_loan.expect(given_scores)):
        if statistic.value is None:
            assert statistic.note
        else:
            most = np.inf if statistic.name == "estimated_log_loss" else 1 + 1e-9
            assert 0 <= statistic.low <= statistic.value <= statistic.high <= most


def test_json_is_read_back(car_loan):
    again = Cbpe.from_record(TASK, json.loads(json.dumps(car_loan.to_record())))
    some = [0.1, 0.66, 0.9]
    assert list(again.estimates(again.expect(some))) == list(
        car_loan.estimates(car_loan.expect(some))
    )


def test_the_band_is_nannymls(car_loan):
    accuracy = _estimates(car_loan, _rows(CAR_LOAN["chunks"][0]["rows"])[0])["accuracy"]
    # The standard error that NannyML 0.13.1 gives here is 0.003261.
    assert accuracy.low == pytest.approx(accuracy.value - 3 * 0.003261, abs=5e-6)
    assert accuracy.high == pytest.approx(accuracy.value + 3 * 0.003261, abs=5e-6)


def test_without_scores_nothing_can_be_estimated():
    with pytest.raises(ValueError, match="output `y` of a regression task has none"):
        Cbpe.fit(Task("regression", "y"), [1.0], [2.0])
