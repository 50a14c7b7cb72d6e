"""What a reference learns from its truth, and what profiles make of it, row by row and merged."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counting import batch_of
from kedge.contracts import Tags, columns_of, decode, decode_predictions, encode_batch
from kedge.performance import (
    Task,
    compared_output,
    estimates,
    estimator_of,
    metrics,
    registered_task,
    scores_of,
    with_estimator,
)
from kedge.profile import Expectation, Profile, Reference, count_windows, reference_of
from kedge.streams.window import Window
from logged import single
from services import release_event

ROWS = 400


def _referred(outputs, truths, features=None, **options):
    features = features or [{"x": float(i % 17), "c": "abc"[i % 3]} for i in range(len(outputs))]
    columns = [*columns_of(features, "feature"), *columns_of(outputs, "output")]
    return with_estimator(reference_of(columns), columns, truths, **options)


def _scored(**options):
    rng = np.random.default_rng(1)
    score = rng.beta(2, 4, ROWS)
    return _referred(
        [{"score": each} for each in score.tolist()],
        (rng.random(ROWS) < score**1.5).tolist(),
        **options,
    )


def _regressed():
    rng = np.random.default_rng(2)
    output = rng.normal(10, 3, ROWS)
    truth = output + rng.normal(size=ROWS) * (np.arange(ROWS) % 17)
    return _referred([{"score": each} for each in output.tolist()], truth.tolist())


CLASSES = ("red", "green", "blue")


def _classes(rows, seed):
    """Classes with their probabilities, of which the given ones are a distortion."""
    rng = np.random.default_rng(seed)
    true = rng.dirichlet([1, 2, 0.7], rows)
    truths = [CLASSES[np.searchsorted(np.cumsum(p), rng.random())] for p in true]
    given = true**2 / (true**2).sum(axis=1, keepdims=True)
    outputs = [
        dict(zip(CLASSES, p.tolist(), strict=True)) | {"class": CLASSES[int(np.argmax(p))]}
        for p in given
    ]
    return [{"x": float(i % 17)} for i in range(rows)], outputs, truths


def _classified(rows, seed):
    features, outputs, truths = _classes(rows, seed)
    names = {name: name for name in CLASSES}
    return _referred(outputs, truths, features, output="class", probabilities=names)


REFERENCES = {"cbpe": _scored(), "dle": _regressed(), "classes": _classified(ROWS, 3)}
rows = st.lists(
    st.tuples(
        st.dictionaries(
            st.sampled_from("xc"), st.floats(0, 20) | st.sampled_from(["a", "b", "?"]) | st.none()
        ),
        st.fixed_dictionaries(
            {},
            optional={
                "score": st.floats(0, 1)
                | st.floats(-5, 30)
                | st.sampled_from([None, "x", True, np.nan]),
                "class": st.sampled_from([*CLASSES, "pink", None]),
                **dict.fromkeys(CLASSES, st.floats(0, 1)),
            },
        ),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=25,
)


def _profiles(data, reference, window=1):
    features, outputs, times = zip(*data, strict=True)
    batch = batch_of(list(features), list(outputs), times)
    return count_windows(batch, reference, window, estimator_of(reference))


def _whole(data, reference):
    return Profile.of_all(list(_profiles(data, reference).values()))


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=40)
@given(data=rows, cut=st.integers(0, 25))
def test_the_parts_make_the_whole_however_it_is_cut(name, data, cut):
    reference = REFERENCES[name]
    whole = _whole(data, reference)
    assert whole == _profiles(data, reference, window=1000)[0]
    assert Profile.of_all([_whole([row], reference) for row in reversed(data)]) == whole
    cut = min(cut, len(data) - 1)
    if cut:
        assert _whole(data[:cut], reference) + _whole(data[cut:], reference) == whole
    assert Profile.empty(reference) + whole == whole
    record = whole.to_record(reference) | {"release": 1, "model": "m"}
    assert Profile.from_record(record, reference, estimator_of(reference)) == whole
    kept = json.loads(json.dumps(Window(1, "mv", "cv", whole).to_json()))
    assert Window.from_json(kept).profile == whole


@pytest.mark.parametrize("name", REFERENCES)
def test_a_message_without_rows_adds_nothing(name):
    """As an SDK sends it to tell that it dropped events."""
    assert count_windows(batch_of([]), REFERENCES[name], 1, estimator_of(REFERENCES[name])) == {}


@pytest.mark.parametrize("name", REFERENCES)
@settings(max_examples=20)
@given(data=rows)
def test_both_forms_of_a_prediction_let_expect_the_same(name, data):
    reference, tags = REFERENCES[name], Tags("m", "mv", "cv", 1, "test")
    estimator = estimator_of(reference)
    features, outputs, times = zip(*data, strict=True)
    columnar = decode_predictions(encode_batch(batch_of(list(features), list(outputs), times)))
    apart = []
    for feature, output, time in data:
        row = {"features": feature, "outputs": output, "time": time}
        message = single(row | {"id": "i", "filled": [], "latency": None, "error": None}, tags)
        found = count_windows(decode_predictions(message), reference, 1000, estimator)
        apart += found.values()
    assert Profile.of_all(apart) == count_windows(columnar, reference, 1000, estimator)[0]


@settings(max_examples=40)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_estimates_of_a_profile_are_those_of_the_raw_scores(scores):
    """Up to the fixed point: sums of exact terms, row by row, in Python's own floats."""
    reference = REFERENCES["cbpe"]
    estimator = estimator_of(reference)
    profile = _whole([({}, {"score": score}, 0) for score in scores], reference)
    found = {s.name: s.value for s in estimates(estimator, reference, profile.expectation)}
    c = np.interp(scores, estimator.calibration.scores, estimator.calibration.probabilities)
    p, over = np.array(scores), np.array(scores) >= 0.5
    assert found["estimated_accuracy"] == pytest.approx(np.mean(np.where(over, c, 1 - c)))
    assert found["estimated_brier"] == pytest.approx(
        np.mean(c * (1 - p) ** 2 + (1 - c) * p**2), abs=2e-8
    )
    clipped = np.clip(p, 2**-52, 1 - 2**-52)
    losses = -c * np.log(clipped) - (1 - c) * np.log(1 - clipped)
    assert found["estimated_log_loss"] == pytest.approx(np.mean(losses), abs=1e-6)
    if over.any():
        assert found["estimated_precision"] == pytest.approx(np.mean(c[over]), abs=2e-8)
    if c.sum() > 0.01:
        assert found["estimated_recall"] == pytest.approx(np.sum(c[over]) / np.sum(c), abs=1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_the_estimator_survives_the_release_event(name):
    reference = REFERENCES[name]
    release = decode(release_event("m", 1, reference), "release_event")[1]["release"]
    again = Reference.from_record({**release, "rows": release["reference_rows"]})
    assert again.to_record() == reference.to_record()
    data = [({"x": float(i)}, {"score": i / 50}, 0) for i in range(50)]
    assert _whole(data, again) == _whole(data, reference)
    assert registered_task(again) == registered_task(reference)


def test_the_truth_says_what_is_compared():
    outputs = [{"output": float(i), "risk": i / 100} for i in range(100)]
    truths = ["bad" if i > 60 else "good" for i in range(100)]
    reference = _referred(outputs, truths, output="risk", positive="bad", threshold=0.6)
    assert registered_task(reference) == Task("binary", "risk", "bad", 0.6)
    assert compared_output(reference) == "risk"


def test_a_reference_without_truth_says_why_there_is_no_estimate():
    reference = reference_of(columns_of([{"output": 0.5}], "output"))
    assert estimator_of(reference) is registered_task(reference) is None
    found = list(estimates(None, reference, Expectation()))
    assert {each.name for each in found} >= {"estimated_accuracy", "estimated_mae"}
    assert {(each.value, each.note) for each in found} == {
        (None, "the reference came without the truth: nothing says what scores mean")
    }


def test_a_class_without_a_score_has_no_estimate_and_says_so():
    reference = _referred(
        [{"late": i % 2 == 0} for i in range(20)], [i % 3 == 0 for i in range(20)]
    )
    assert registered_task(reference) == Task("binary", "late")
    found = list(estimates(estimator_of(reference), reference, Expectation()))
    assert {(each.value, each.note) for each in found} == {
        (None, "output `late` is a class without a score")
    }


def test_a_profile_of_another_estimator_is_refused():
    record = _whole([({}, {"score": 0.9}, 0)], REFERENCES["cbpe"]).to_record(REFERENCES["cbpe"])
    plain = Reference(REFERENCES["cbpe"].rows, REFERENCES["cbpe"].columns)
    for estimator in (None, estimator_of(REFERENCES["dle"])):
        with pytest.raises(ValueError, match="or of another estimator"):
            Profile.from_record(record | {"release": 1, "model": "m"}, plain, estimator)
    with pytest.raises(ValueError, match="1 sums for 2 places, which have to ascend from 0"):
        Expectation.from_record({"places": [1, 2], "sums": [3]})


def test_registering_the_same_again_gives_the_same_numbers():
    assert _scored().to_record() == REFERENCES["cbpe"].to_record()
    assert _regressed().to_record() == REFERENCES["dle"].to_record()


def test_the_estimator_of_many_scores_is_small():
    rng = np.random.default_rng(3)
    score = rng.random(200_000)
    columns = columns_of([{"score": each} for each in score.tolist()], "output")
    reference = with_estimator(
        reference_of(columns), columns, (rng.random(200_000) < score).tolist()
    )
    assert len(release_event("m", 1, reference)) < 32_000


def test_of_classes_the_expectation_is_that_of_the_labels():
    """However the given probabilities distort the true ones, as far as each class's tells."""
    reference = _classified(30_000, 4)
    features, outputs, truths = _classes(30_000, 5)
    estimator, task = estimator_of(reference), registered_task(reference)
    profile = count_windows(batch_of(features, outputs), reference, 1, estimator)[0]
    found = {e.name: e for e in estimates(estimator, reference, profile.expectation)}
    predicted = [row["class"] for row in outputs]
    realised = {s.name: s.value for s in metrics(scores_of(task, predicted, truths))}
    for name in ("accuracy", "precision", "recall", "f1"):
        estimate = found[f"estimated_{name}"]
        assert estimate.value == pytest.approx(realised[name], abs=0.01), name
        assert estimate.low < estimate.value < estimate.high
        assert estimate.rows == 30_000


def test_bands_of_classes_are_three_standard_deviations_of_windows():
    reference = _classified(20_000, 6)
    task, deviations = registered_task(reference), estimator_of(reference).deviations
    _features, outputs, truths = _classes(20_000, 6)
    rng, values = np.random.default_rng(7), {name: [] for name in deviations}
    predicted, truths = np.array([row["class"] for row in outputs]), np.array(truths)
    for _ in range(300):
        drawn = rng.integers(0, len(truths), 1000)
        of_window = scores_of(task, predicted[drawn].tolist(), truths[drawn].tolist())
        for statistic in metrics(of_window):
            if statistic.name in values:
                values[statistic.name].append(statistic.value)
    for name, deviation in deviations.items():
        # The classes' errors are taken as independent, which they are not quite.
        assert deviation / np.sqrt(1000) == pytest.approx(np.std(values[name]), rel=0.25), name


def test_every_class_needs_its_probability():
    features, outputs, truths = _classes(50, 8)
    columns = [*columns_of(features, "feature"), *columns_of(outputs, "output")]
    reference = reference_of(columns)
    names = {name: name for name in CLASSES}
    for output, probabilities, why in (
        ("class", {"red": "red"}, "class `.*` of output `class` has no probability"),
        ("class", names | {"red": "pink"}, "no output `pink` that could be a probability"),
    ):
        with pytest.raises(ValueError, match=why):
            with_estimator(reference, columns, truths, output=output, probabilities=probabilities)
    with pytest.raises(ValueError, match="`red` is of a regression task: probabilities are of"):
        with_estimator(reference, columns, list(range(50)), output="red", probabilities=names)
