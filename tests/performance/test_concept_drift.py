import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import checks, drift

from joined_rows import CLASSES, LABELLED, REGRESSION, SCORED, TASKS, joined, sides
from kedge.performance import metrics, scores_of
from kedge.performance.concept_drift import DETECTORS, ConceptDrift, Detection, concept_drift
from kedge.performance.errors import errors_of

NAMES = sorted(DETECTORS)
QUICK = sorted(DETECTORS.keys() - {"kswin"})  # a test of Kolmogorov and Smirnov for every error


def _steps(seed, *shares, rows=600):
    random = np.random.default_rng(seed)
    return np.concatenate([(random.random(rows) < share).astype(float) for share in shares])


@pytest.mark.parametrize("name", NAMES)
def test_rivers_own_checks(name):
    detector = DETECTORS[name].make()
    for check in checks.yield_checks(detector):
        if check.__name__ != "check_tags":  # those of estimators, which detectors are not
            check(detector.clone())


@pytest.mark.parametrize("name", NAMES)
def test_detections_are_rivers_until_the_memory_is_full(name):
    errors = _steps(1, 0.05, 0.5, 0.1)
    if name == "kswin":
        errors = errors[400:900]
    detector, expected = DETECTORS[name].make(), []
    for index, error in enumerate(errors):
        detector.update(error)
        if detector.drift_detected:
            expected.append(index)
    assert [d.row for d in ConceptDrift(name).update(errors)] == expected
    assert expected


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_rivers(name):
    rivers = {
        "adwin": drift.ADWIN(),
        "page_hinkley": drift.PageHinkley(),
        "kswin": drift.KSWIN(seed=1),
        "ddm": drift.binary.DDM(),
        "hddm_a": drift.binary.HDDMA(),
        "hddm_w": drift.binary.HDDMW(),
    }
    assert repr(DETECTORS[name].make()) == repr(rivers[name])


@pytest.mark.parametrize("name", QUICK)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 3000), max_size=4))
def test_a_restored_detector_goes_on_as_one_that_never_stopped(name, seed, cuts):
    errors = _steps(seed, 0.1, 0.1, 0.4, 0.2, 0.6)
    never_stopped = ConceptDrift(name, memory=1000)
    expected = [d for error in errors for d in never_stopped.update(np.array([error]))]
    found, detector = [], ConceptDrift(name, memory=1000)
    for part in np.split(errors, sorted(cuts)):
        for error in part:
            found += detector.update(np.array([error]))
        detector = ConceptDrift.from_json(json.loads(json.dumps(detector.to_json())))
    assert found == expected
    assert detector.to_json() == never_stopped.to_json()


def test_a_restored_kswin_goes_on_too():
    errors = _steps(2, 0.1, 0.9, rows=150)
    at_once = [d.row for d in ConceptDrift("kswin").update(errors)]
    first = ConceptDrift("kswin")
    before = [d.row for d in first.update(errors[:140])]
    second = ConceptDrift.from_json(first.to_json())
    assert before + [140 + d.row for d in second.update(errors[140:])] == at_once
    assert at_once


@pytest.mark.parametrize("name", QUICK)
def test_the_batches_do_not_matter_and_memory_is_bounded(name):
    errors = _steps(3, 0.2, rows=5000)
    detector = ConceptDrift(name, memory=1000)
    detector.update(errors)
    one_by_one = ConceptDrift(name, memory=1000)
    for error in errors:
        one_by_one.update(np.array([error]))
    assert detector.to_json() == one_by_one.to_json()
    assert len(detector._errors) < 1000


@pytest.mark.parametrize("name", NAMES)
def test_more_errors_are_found_and_said_to_be_more(name):
    detections = ConceptDrift(name).update(_steps(5, 0.05, 0.6, rows=300))
    found = [d for d in detections if d.row >= 300]
    assert found
    assert found[0].rose


@pytest.mark.parametrize("name", NAMES)
def test_fewer_errors_are_told_apart_from_more(name):
    detections = ConceptDrift(name).update(_steps(6, 0.7, 0.05, rows=300))
    found = [d for d in detections if d.row >= 300]
    assert bool(found) == DETECTORS[name].two_sided
    assert not any(d.rose for d in found)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_what_never_changes_has_no_drift(name, constant):
    assert ConceptDrift(name).update(np.full(300, constant)) == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_changes_nothing(name):
    detector = ConceptDrift(name)
    before = detector.to_json()
    assert detector.update(np.empty(0)) == []
    assert detector.to_json() == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -0.5])
def test_what_is_no_error_is_refused_and_nothing_taken(name, wrong):
    detector = ConceptDrift(name)
    with pytest.raises(ValueError, match=f"error 1 is .*: {name} takes errors"):
        detector.update(np.array([0.0, wrong]))
    assert detector.to_json() == ConceptDrift(name).to_json()


@pytest.mark.parametrize("name", NAMES)
def test_errors_above_one_go_to_detectors_that_take_them(name):
    detector = ConceptDrift(name)
    if name in ("ddm", "hddm_a", "hddm_w"):
        with pytest.raises(ValueError, match="from 0 to 1"):
            detector.update(np.array([17.5]))
    else:
        assert detector.update(np.array([17.5])) == []


def test_what_can_not_be_made_is_refused():
    with pytest.raises(ValueError, match="no detector `eddm`; there are adwin"):
        ConceptDrift("eddm")
    with pytest.raises(ValueError, match="at least 1000"):
        ConceptDrift(memory=10)


@given(st.sampled_from(TASKS).flatmap(lambda task: st.tuples(st.just(task), joined(task))))
def test_errors_agree_with_the_metrics(drawn):
    task, rows = drawn
    errors = errors_of(task, *sides(rows))
    found = {s.name: s for s in metrics(scores_of(task, *sides(rows)))}
    usable = errors[~np.isnan(errors)]
    mean = found["mae" if task is REGRESSION else "accuracy"]
    assert len(usable) == mean.rows
    if len(usable):
        error = mean.value if task is REGRESSION else 1 - mean.value
        assert np.mean(usable) == pytest.approx(error, rel=1e-9, abs=1e-12)


def test_the_statistic_counts_what_became_worse():
    found = concept_drift("adwin", [Detection(3, rose=True), Detection(90, rose=False)], 100)
    assert (found.value, found.rows) == (1, 100)
    assert found.note == "found 1 times that errors have become fewer, too"
    assert concept_drift("adwin", [], 0).value is None


def test_one_is_wrong_and_zero_is_right():
    assert errors_of(SCORED, [0.9, 0.9, 0.1], [True, False, True]).tolist() == [0, 1, 1]
    assert errors_of(LABELLED, ["yes", "no"], ["yes", "yes"]).tolist() == [0, 1]
    assert errors_of(CLASSES, ["a", "z", "z"], ["b", "z", "y"]).tolist() == [1, 0, 1]
    assert errors_of(REGRESSION, [3.0], [7.0], scale=2.0).tolist() == [2]
    with pytest.raises(ValueError, match="scale is above 0"):
        errors_of(REGRESSION, [3.0], [7.0], scale=0.0)
