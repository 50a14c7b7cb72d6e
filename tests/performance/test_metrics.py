"""Metrics against scikit-learn on the raw rows."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from joined_rows import CLASSES, LABELLED, REGRESSION, SCORED, TASKS, joined, sides
from kedge.performance import label_coverage, metrics, no_scores, scores_of


def _metrics(task, outputs, truths):
    return {s.name: s for s in metrics(scores_of(task, outputs, truths))}


def _agrees(statistic, expected):
    assert statistic.value == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(joined(SCORED, clean=True, min_size=1))
def test_binary_scores(rows):
    score, truth = (np.array(side, float) for side in sides(rows))
    found = _metrics(SCORED, *sides(rows))
    predicted = score >= 0.5
    _agrees(found["accuracy"], sklearn.accuracy_score(truth, predicted))
    _agrees(found["brier"], sklearn.brier_score_loss(truth, score, pos_label=1))
    _agrees(found["log_loss"], sklearn.log_loss(truth, score, labels=[0, 1]))
    if predicted.any():
        _agrees(found["precision"], sklearn.precision_score(truth, predicted))
    else:
        assert (found["precision"].value, found["precision"].note) == (
            None,
            "no row is predicted positive",
        )
    if truth.any():
        _agrees(found["recall"], sklearn.recall_score(truth, predicted))
    else:
        assert (found["recall"].value, found["recall"].note) == (None, "no row is truly positive")
    if truth.any() or predicted.any():
        _agrees(found["f1"], sklearn.f1_score(truth, predicted))
    else:
        assert found["f1"].value is None


@given(joined(SCORED, clean=True, min_size=2, max_size=200))
def test_roc_auc_is_within_the_bound_that_its_note_states(rows):
    score, truth = (np.array(side, float) for side in sides(rows))
    found = _metrics(SCORED, score.tolist(), truth.tolist())["roc_auc"]
    if len(set(truth)) == 1:
        assert (found.value, found.note) == (None, "all rows are of one class")
        return
    bound = float(re.match(r"within (\S+):", found.note)[1])
    # The note has two digits.
    assert abs(found.value - sklearn.roc_auc_score(truth, score)) <= bound * 1.05 + 1e-12


def test_roc_auc_of_many_scores_is_good_to_three_digits():
    random = np.random.default_rng(4)
    truth = random.random(20_000) < 0.02
    for score in (
        np.clip(random.beta(1, 40, 20_000) + 0.02 * truth, 0, 1),
        random.beta(2 + truth, 2, 20_000),
    ):
        found = _metrics(SCORED, score.tolist(), truth.tolist())["roc_auc"]
        assert found.value == pytest.approx(sklearn.roc_auc_score(truth, score), abs=5e-4)


@given(joined(SCORED, clean=True, min_size=1))
def test_calibration_error_by_its_definition(rows):
    # Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
    score, truth = (np.array(side, float) for side in sides(rows))
    edges = np.arange(1, 10) / 10
    bins = np.array([np.searchsorted(edges, s, side="right") for s in score])
    expected = sum(
        (bins == b).mean() * abs(score[bins == b].mean() - truth[bins == b].mean())
        for b in np.unique(bins)
    )
    _agrees(_metrics(SCORED, *sides(rows))["calibration_error"], expected)


@given(joined(LABELLED, clean=True, min_size=1))
def test_binary_labels(rows):
    predicted, truth = ([value in ("yes", True, 1) for value in side] for side in sides(rows))
    found = _metrics(LABELLED, *sides(rows))
    _agrees(found["accuracy"], sklearn.accuracy_score(truth, predicted))
    if any(truth) and any(predicted):
        _agrees(found["f1"], sklearn.f1_score(truth, predicted))
    for name in ("roc_auc", "log_loss", "brier", "calibration_error"):
        assert (found[name].value, found[name].note) == (
            None,
            "the output is a class without a score",
        )


@given(joined(CLASSES, clean=True, min_size=1))
def test_multiclass(rows):
    predicted, truth = sides(rows)
    found = _metrics(CLASSES, predicted, truth)
    _agrees(found["accuracy"], sklearn.accuracy_score(truth, predicted))
    occurring = sorted({*predicted, *truth} & set("abc"))
    if not occurring:
        assert found["f1"].note == "no row is of a class that the task names"
        return
    options = {"labels": occurring, "average": "macro", "zero_division": 0}
    _agrees(found["precision"], sklearn.precision_score(truth, predicted, **options))
    _agrees(found["recall"], sklearn.recall_score(truth, predicted, **options))
    _agrees(found["f1"], sklearn.f1_score(truth, predicted, **options))
    others = sum(not {*row} <= set("abc") for row in rows)
    assert f"mean over {len(occurring)} classes" in found["f1"].note
    assert (f"{others} rows are of other classes" in found["f1"].note) == (others > 0)


@given(joined(REGRESSION, clean=True, min_size=1))
def test_regression(rows):
    output, truth = (np.array(side, float) for side in sides(rows))
    found = _metrics(REGRESSION, *sides(rows))
    _agrees(found["mae"], sklearn.mean_absolute_error(truth, output))
    _agrees(found["rmse"], sklearn.root_mean_squared_error(truth, output))
    assert found["bias"].value == pytest.approx(np.mean(output - truth), rel=1e-9, abs=1e-7)
    there = np.abs(truth) > 1e-9
    if there.all():
        _agrees(found["mape"], sklearn.mean_absolute_percentage_error(truth, output))
    if (truth == 0).all():
        assert found["mape"].value is None
    if len(set(truth)) == 1:
        assert (found["r2"].value, found["r2"].note) == (None, "all truths are the same")
    elif np.std(truth) > 1e-3:
        assert found["r2"].value == pytest.approx(sklearn.r2_score(truth, output), rel=1e-6)


def test_r2_of_a_small_variance_about_a_large_mean():
    truth = (1e9 + np.arange(100) / 128).tolist()
    output = [value + 1 / 256 for value in truth]
    spread = np.var(np.arange(100) / 128)
    found = _metrics(REGRESSION, output, truth)["r2"].value
    assert found == pytest.approx(1 - 2**-16 / spread, rel=1e-12)


def test_a_truth_of_zero_has_no_relative_error():
    found = _metrics(REGRESSION, [1.0, 3.0], [0.0, 2.0])["mape"]
    assert (found.value, found.note) == (0.5, "1 rows with a truth of zero are left out")


def test_rows_without_label_are_left_out_and_said():
    found = _metrics(SCORED, [0.9, 0.1, None], [True, None, False])["accuracy"]
    assert (found.value, found.rows) == (1, 1)
    assert found.note == "2 rows without a usable output or label are left out"


@pytest.mark.parametrize("task", TASKS)
def test_without_labels_every_metric_says_so(task):
    for statistic in metrics(no_scores(task), "origin=JFK"):
        assert (statistic.value, statistic.rows, statistic.segment) == (None, 0, "origin=JFK")
        assert statistic.note == "no usable label in the window"


@given(st.sampled_from(TASKS).flatmap(lambda task: st.tuples(st.just(task), joined(task))))
def test_no_metric_is_infinite_and_none_is_missing_without_a_note(drawn):
    task, rows = drawn
    for statistic in metrics(scores_of(task, *sides(rows))):
        assert statistic.note if statistic.value is None else np.isfinite(statistic.value)


def test_label_coverage():
    assert label_coverage(3, 12).value == 0.25
    assert label_coverage(0, 0).value is None
