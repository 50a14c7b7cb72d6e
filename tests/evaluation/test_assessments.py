"""However joined predictions are cut into messages and restarts: a window has the same numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, brier_score_loss

from kedge.contracts import columns_of, decode, encode
from kedge.evaluation.assessments import Assessments, TooLateError
from kedge.profile import reference_of

MINUTE = 60_000_000
SHARE = reference_of(columns_of([{"output": i / 99} for i in range(100)], "output"))
WIDE = reference_of(columns_of([{"output": float(i)} for i in range(100)], "output"))


def _joined(rows, minute=0, release=1, predictions=100, segments=()):
    """A message of rows (output, truth, replaced)."""
    record = {
        "model": "flights",
        "model_version": "mv",
        "code_version": "cv",
        "release": release,
        "environment": "test",
        "window_start": minute * MINUTE,
        "window_end": (minute + 1) * MINUTE,
        "predictions": predictions,
        "output": "output",
        "outputs": [row[0] for row in rows],
        "truths": [row[1] for row in rows],
        "replaced": [row[2] for row in rows],
        "segments": segments,
    }
    # As it comes out of the topic.
    return decode(encode("performance", record), "performance")[1]


def _values(record):
    return {each["name"]: each["value"] for each in record["statistics"]}


def _new():
    return Assessments(base=MINUTE, keep=100 * MINUTE)


ROWS = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.booleans(), st.integers(0, 2)),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.lists(st.booleans(), min_size=60, max_size=60), st.randoms())
@hypothesis_settings(max_examples=50)
def test_any_cut_and_restart_ends_at_the_numbers_of_the_last_truths(rows, restarts, random):
    assessments, log, newest = _new(), [], {}
    # Each row comes with its first truth, and then some come with another one.
    first = [(minute, (output, before, None)) for output, before, _after, minute in rows]
    second = [(minute, (output, after, before)) for output, before, after, minute in rows]
    random.shuffle(first)
    random.shuffle(second)
    for (minute, row), restart in zip(first + second, restarts, strict=False):
        assessments.add(_joined([row], minute), SHARE)
        if restart:
            log += assessments.changes()
            assessments = _new()
            assessments.restore(log)
        else:
            for record in assessments.publish():
                newest[record["window_start"] // MINUTE] = record
    for record in assessments.publish():
        newest[record["window_start"] // MINUTE] = record
    for minute in {row[3] for row in rows}:
        outputs = np.array([row[0] for row in rows if row[3] == minute])
        truths = np.array([row[2] for row in rows if row[3] == minute])
        values = _values(newest[minute])
        assert values["accuracy"] == pytest.approx(accuracy_score(truths, outputs >= 0.5))
        assert values["brier"] == pytest.approx(brier_score_loss(truths, outputs, labels=[0, 1]))
        assert values["label_coverage"] == len(truths) / 100


@given(ROWS, st.lists(st.booleans(), min_size=60, max_size=60), st.randoms())
@hypothesis_settings(max_examples=30)
def test_a_segment_has_the_numbers_of_its_rows_however_they_come(rows, restarts, random):
    def third(output):
        return f"third={int(output * 3)}"

    def message(minute, row):
        name = third(row[0])
        count = sum(third(each[0]) == name and each[3] == minute for each in rows)
        segment = {"name": name, "predictions": 2 * count, "rows": [0]}
        return _joined([row], minute, segments=[segment])

    assessments, log, newest = _new(), [], {}
    first = [message(minute, (output, before, None)) for output, before, _after, minute in rows]
    second = [message(minute, (output, after, before)) for output, before, after, minute in rows]
    random.shuffle(first)
    random.shuffle(second)
    for joined, restart in zip(first + second, restarts, strict=False):
        assessments.add(joined, SHARE)
        if restart:
            log += assessments.changes()
            assessments = _new()
            assessments.restore(log)
        for record in assessments.publish():
            newest[record["window_start"] // MINUTE] = record
    for minute, record in newest.items():
        here = [row for row in rows if row[3] == minute]
        segments = {each["segment"] for each in record["statistics"]} - {None}
        assert segments == {third(row[0]) for row in here}
        for name in segments:
            mine = [each for each in record["statistics"] if each["segment"] == name]
            values = {each["name"]: each["value"] for each in mine}
            outputs = np.array([row[0] for row in here if third(row[0]) == name])
            truths = np.array([row[2] for row in here if third(row[0]) == name])
            assert values["accuracy"] == pytest.approx(accuracy_score(truths, outputs >= 0.5))
            assert values["label_coverage"] == 0.5
            assert {each["rows"] for each in mine if each["name"] == "accuracy"} == {len(truths)}


def test_a_segment_that_comes_into_a_policy_is_published_though_nothing_else_changes():
    assessments = _new()
    assessments.add(_joined([(0.9, True, None)], 0), SHARE)
    list(assessments.publish())
    segment = {"name": "origin=JFK", "predictions": 7, "rows": []}
    assessments.add(_joined([], 0, segments=[segment]), SHARE)
    (record,) = assessments.publish()
    coverage = [s for s in record["statistics"] if s["name"] == "label_coverage"]
    assert [(s["segment"], s["value"], s["rows"]) for s in coverage] == [
        (None, 1 / 100, 100),
        ("origin=JFK", 0, 7),
    ]


def test_each_publication_is_a_revision_and_only_of_what_has_changed():
    assessments = _new()
    assessments.add(_joined([(0.9, True, None)], 0), SHARE)
    assessments.add(_joined([(0.9, True, None)], 1), SHARE)
    assert [(r["window_start"], r["revision"]) for r in assessments.publish()] == [
        (0, 0),
        (MINUTE, 0),
    ]
    assert list(assessments.publish()) == []
    assessments.add(_joined([], 1, predictions=200), SHARE)
    (record,) = assessments.publish()
    assert (record["window_start"], record["revision"], record["rows"]) == (MINUTE, 1, 200)
    assert _values(record)["label_coverage"] == 1 / 200
    assert record["part"] == "performance"


def test_before_the_first_truth_of_a_release_the_coverage_is_nought():
    assessments = _new()
    assessments.add(_joined([], 0), SHARE)
    (record,) = assessments.publish()
    assert _values(record) == {"label_coverage": 0}
    assessments.add(_joined([(0.9, True, None)], 0), SHARE)
    (record,) = assessments.publish()
    assert (_values(record)["label_coverage"], _values(record)["accuracy"]) == (1 / 100, 1)


def test_told_again_of_the_same_predictions_nothing_is_published():
    assessments = _new()
    assessments.add(_joined([(0.9, True, None)], 0), SHARE)
    assert len(list(assessments.publish())) == 1
    assessments.add(_joined([], 0), SHARE)
    assert list(assessments.publish()) == []


@given(ROWS, st.lists(st.booleans(), min_size=30, max_size=30), st.integers(0, 30))
@hypothesis_settings(max_examples=30)
def test_a_longer_window_is_the_sum_of_its_base_windows(rows, restarts, named):
    """Also when its length came into the settings in the middle."""
    longer, log, newest = (), [], {}
    assessments = _new()
    for number, (output, before, after, minute) in enumerate([*rows, rows[0]]):
        if restarts[number % 30] or number == min(named, len(rows)):
            longer = (3 * MINUTE,) if number >= min(named, len(rows)) else ()
            log += assessments.changes()
            assessments = Assessments(base=MINUTE, keep=100 * MINUTE, longer=longer)
            assessments.restore(log)
        if number < len(rows):
            assessments.add(_joined([(output, before, None)], minute), SHARE)
            assessments.add(_joined([(output, after, before)], minute), SHARE)
        else:
            assessments.add(_joined([(0.5, True, None)], minute), SHARE)
    for record in assessments.publish():
        newest[record["window_end"] - record["window_start"]] = record
    record = newest[3 * MINUTE]
    outputs = np.array([*(row[0] for row in rows), 0.5])
    truths = np.array([*(row[2] for row in rows), True])
    assert _values(record)["accuracy"] == pytest.approx(accuracy_score(truths, outputs >= 0.5))
    minutes = len({row[3] for row in rows})
    assert record["rows"] == 100 * minutes
    assert _values(record)["label_coverage"] == pytest.approx(len(truths) / (100 * minutes))


def test_a_withdrawn_truth_counts_nowhere():
    assessments = _new()
    assessments.add(_joined([(0.9, True, None), (0.9, False, None)]), SHARE)
    assessments.add(_joined([(0.9, None, False)]), SHARE)
    (record,) = assessments.publish()
    assert _values(record)["accuracy"] == 1
    assert _values(record)["label_coverage"] == 1 / 100


def test_a_window_that_is_forgotten_takes_no_more():
    assessments, log = _new(), []
    assessments.add(_joined([(0.9, True, None)], 0), SHARE)
    assessments.add(_joined([(0.9, True, None)], 100), SHARE)
    assert len(list(assessments.publish())) == 2
    log += assessments.changes()
    assert sum(value is None for _key, value in log) == 1
    for each in (assessments, _new()):
        each.restore(log)
        with pytest.raises(TooLateError, match="its window ended at 60000000"):
            each.add(_joined([(0.9, False, True)], 0), SHARE)


def test_what_can_not_be_compared_is_refused_and_says_why():
    with pytest.raises(ValueError, match="the truth is text"):
        _new().add(_joined([(0.9, "late", None)]), SHARE)


def _drifting(seed, wrong):
    """Rows of which a growing share is wrong, a minute each hundred."""
    rng = np.random.default_rng(seed)
    return [[(0.9, bool(rng.random() >= share), None) for _ in range(100)] for share in wrong]


def test_drift_of_the_errors_is_found_in_its_window_also_across_restarts():
    minutes = _drifting(1, [0.1] * 20 + [0.5] * 10)
    found = []
    for restarting in (False, True):
        assessments, log, drifts = _new(), [], {}
        for minute, rows in enumerate(minutes):
            assessments.add(_joined(rows, minute), SHARE)
            for record in assessments.publish():
                drifts[record["window_start"] // MINUTE] = _values(record)["concept_drift"]
            log += assessments.changes()
            if restarting:
                assessments = _new()
                assessments.restore(log)
        found.append(drifts)
    assert found[0] == found[1]
    onset = [minute for minute, count in found[0].items() if count]
    assert onset
    assert 20 <= onset[0] <= 22
    assert found[0][0] == 0


def test_corrections_are_no_errors_of_the_stream():
    assessments = _new()
    for minute, rows in enumerate(_drifting(2, [0.1] * 20)):
        assessments.add(_joined(rows, minute), SHARE)
        assessments.add(
            _joined([(output, not truth, truth) for output, truth, _ in rows], minute), SHARE
        )
    drifts = [_values(record)["concept_drift"] for record in assessments.publish()]
    assert drifts == [0] * 20


def test_errors_of_a_regression_are_measured_by_what_is_usual():
    rng = np.random.default_rng(3)
    assessments = _new()
    for minute in range(30):
        size = 1e-6 if minute < 20 else 5e-6
        rows = [(50.0, 50.0 + float(size * rng.normal()), None) for _ in range(100)]
        assessments.add(_joined(rows, minute), WIDE)
    drifts = [_values(record)["concept_drift"] for record in assessments.publish()]
    assert drifts[:20] == [0] * 20
    assert sum(drifts[20:]) >= 1


def test_a_detector_that_takes_no_such_errors_says_so():
    assessments = Assessments(
        base=MINUTE, keep=100 * MINUTE, detectors=lambda _model, _environment: ["ddm", "adwin"]
    )
    rows = [(50.0, float(truth), None) for truth in range(100)]
    assessments.add(_joined([*rows, (50.0, 1e6, None)]), WIDE)
    (record,) = assessments.publish()
    ddm, adwin = (each for each in record["statistics"] if each["name"] == "concept_drift")
    assert (ddm["kind"], ddm["value"]) == ("ddm", None)
    assert "ddm takes errors" in ddm["note"]
    assert (adwin["kind"], adwin["value"], adwin["rows"]) == ("adwin", 0, len(rows) + 1)
    assert _values(record)["mae"] is not None
