"""Estimates are held against the labels of exactly the rows that have one, however these come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss

from kedge.contracts import columns_of, decode, encode
from kedge.evaluation.assessments import Assessments
from kedge.performance import estimates, estimator_of, with_estimator
from kedge.profile import reference_of

MINUTE = 60_000_000
THRESHOLD = 0.4


def _reference():
    random = np.random.default_rng(1)
    score = random.random(2000)
    columns = columns_of([{"output": each} for each in score.tolist()], "output")
    truths = (random.random(2000) < score**2).tolist()
    return with_estimator(reference_of(columns), columns, truths, threshold=THRESHOLD)


REFERENCE = _reference()
ESTIMATOR = estimator_of(REFERENCE)


def _estimates(release, expectation):
    del release
    return estimates(ESTIMATOR, REFERENCE, expectation)


def _new():
    return Assessments(base=MINUTE, keep=1000 * MINUTE, longer=[3 * MINUTE], estimates=_estimates)


def _joined(rows, minute):
    """A message of rows (output, truth, replaced)."""
    outputs, truths, replaced = (list(side) for side in zip(*rows, strict=True))
    record = {
        "model": "m",
        "model_version": "mv",
        "code_version": "cv",
        "release": 1,
        "environment": "test",
        "window_start": minute * MINUTE,
        "window_end": (minute + 1) * MINUTE,
        "predictions": 100,
        "output": "output",
        "outputs": outputs,
        "truths": truths,
        "replaced": replaced,
    }
    return decode(encode("performance", record), "performance")[1]


def _errors_of_raw(rows):
    """Of rows (output, truth): estimate less metric, of accuracy and of the Brier score."""
    score, truth = (np.array(side) for side in zip(*rows, strict=True))
    c = np.interp(score, ESTIMATOR.calibration.scores, ESTIMATOR.calibration.probabilities)
    over = score >= THRESHOLD
    return {
        "accuracy": np.mean(np.where(over, c, 1 - c)) - accuracy_score(truth, over),
        "brier": np.mean(c * (1 - score) ** 2 + (1 - c) * score**2)
        - brier_score_loss(truth, score, pos_label=1),
    }


stories = st.lists(
    st.tuples(
        st.integers(0, 2), st.floats(0, 1), st.booleans(), st.sampled_from([True, False, None])
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=30)
@given(stories, st.lists(st.booleans(), min_size=50, max_size=50))
def test_errors_are_those_of_the_rows_that_have_their_truth(story, restarts):
    """Each row's truth comes, and then may be corrected, or withdrawn."""
    assessments, log, newest = _new(), [], {}
    first = [(minute, (output, before, None)) for minute, output, before, _ in story]
    second = [(minute, (output, after, before)) for minute, output, before, after in story]
    for (minute, row), restart in zip(first + second, restarts, strict=False):
        assessments.add(_joined([row], minute), REFERENCE, ESTIMATOR)
        if restart:
            published = list(assessments.publish())
            newest |= {(each["window_start"], each["window_end"]): each for each in published}
            log += assessments.changes()
            assessments = _new()
            assessments.restore(log)
    newest |= {(e["window_start"], e["window_end"]): e for e in assessments.publish()}
    size = {"accuracy": 0.0, "brier": 0.0}
    labelled = 0
    for (start, end), record in sorted(newest.items(), key=lambda item: item[0][1] - item[0][0]):
        found = {each["name"]: each for each in record["statistics"]}
        rows = [
            (output, after)
            for minute, output, _before, after in story
            if start <= minute * MINUTE < end and after is not None
        ]
        for name in size:
            error = found[f"estimation_error_{name}"]
            assert error["rows"] == len(rows)
            if not rows:
                assert error["value"] is None
                continue
            expected = _errors_of_raw(rows)[name]
            assert error["value"] == pytest.approx(expected, abs=1e-7)
            if end - start == MINUTE:
                size[name] += len(rows) * abs(expected)
        labelled += len(rows) if end - start == MINUTE else 0
    # The record is of the base windows; the last that is published has all of them.
    assessments.add(_joined([(0.5, True, None), (0.5, None, True)], 9), REFERENCE, ESTIMATOR)
    *_, last = assessments.publish()
    means = {each["name"]: each for each in last["statistics"]}
    for name, total in size.items():
        mean = means[f"mean_estimation_error_{name}"]
        assert mean["rows"] == labelled
        expected = total / labelled if labelled else None
        assert mean["value"] == (None if expected is None else pytest.approx(expected, abs=1e-7))


def test_a_row_without_a_usable_truth_or_score_is_in_neither():
    assessments = _new()
    rows = [(0.9, True, None), (0.9, 7.5, None), (None, True, None), (0.2, "", None)]
    assessments.add(_joined(rows, 0), REFERENCE, ESTIMATOR)
    record, _longer = assessments.publish()
    found = {each["name"]: each for each in record["statistics"]}
    error = found["estimation_error_accuracy"]
    assert (error["rows"], error["note"]) == (1, None)
    assert error["value"] == pytest.approx(_errors_of_raw([(0.9, True)])["accuracy"], abs=1e-7)


def test_the_task_that_was_registered_is_the_one_that_is_compared():
    assessments = _new()
    assessments.add(_joined([(0.45, True, None)], 0), REFERENCE, ESTIMATOR)
    record, _longer = assessments.publish()
    assert {e["name"]: e["value"] for e in record["statistics"]}["accuracy"] == 1.0
