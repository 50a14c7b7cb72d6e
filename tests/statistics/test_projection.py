"""The reconstruction error against NumPy's decomposition of the raw rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting import profile_of, statistics_of
from kedge.contracts import columns_of
from kedge.profile import Profile, Reference, reference_of
from kedge.profile.projection import MOST_FEATURES


def _rows(data):
    return [
        {f"x{i}": float(x) for i, x in enumerate(row) if not np.isnan(x)} | {"c": "a"}
        for row in data
    ]


def _reference(data):
    return reference_of(columns_of(_rows(data), "feature"))


def _correlated(rng, rows, features, *, holes=0.0):
    data = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, features)) * 2 + 5
    data += rng.normal(size=data.shape) * 0.3
    data[rng.random(data.shape) < holes] = np.nan
    return data


def _errors(data, training):
    """Distance of each standardised row from the span of the first components, by SVD."""
    mean, deviation = np.nanmean(training, axis=0), np.nanstd(training, axis=0)
    fitted, given_ = (np.nan_to_num((d - mean) / deviation) for d in (training, data))
    _, sizes, directions = np.linalg.svd(fitted, full_matrices=False)
    explained = np.cumsum(sizes**2) / np.sum(sizes**2)
    kept = directions[: np.searchsorted(explained, 0.65) + 1]
    return np.linalg.norm(given_ - given_ @ kept.T @ kept, axis=1)


@pytest.mark.parametrize("holes", [0.0, 0.1])
@pytest.mark.parametrize("features", [2, 8, 30])
def test_the_error_is_numpys_on_the_raw_rows(features, holes):
    rng = np.random.default_rng(features)
    training = _correlated(rng, 500, features, holes=holes)
    window = _correlated(rng, 200, features, holes=holes)
    before, now = _errors(training, training), _errors(window, training)
    found = statistics_of(_rows(window), _reference(training))["reconstruction_error"]
    expected = (now.mean() - before.mean()) / before.std()
    assert found.value == pytest.approx(expected, abs=1e-3)
    assert found.rows == 200


def test_the_reference_itself_is_no_news():
    training = _correlated(np.random.default_rng(1), 300, 6)
    found = statistics_of(_rows(training), _reference(training))["reconstruction_error"]
    assert found.value == pytest.approx(0, abs=1e-9)


def test_it_sees_relations_break_though_each_feature_is_as_before():
    rng = np.random.default_rng(2)
    training, window = _correlated(rng, 2000, 8), None
    window = rng.permuted(training, axis=0)
    found = statistics_of(_rows(window), _reference(training))
    assert found["reconstruction_error"].value > 1
    assert found["psi"].value == pytest.approx(0, abs=1e-9)


@given(st.integers(2, 40), st.integers(1, 30), st.floats(0.01, 100), st.integers(0, 2**32 - 1))
def test_a_profile_of_rows_one_by_one_is_exactly_that_of_the_batch(features, rows, size, seed):
    rng = np.random.default_rng(seed)
    reference = _reference(_correlated(rng, 60, features))
    data = _rows(rng.normal(5, size, (rows, features)))
    together = profile_of(data, reference)
    assert Profile.of_all([profile_of([row], reference) for row in data]) == together
    assert Profile.from_record(together.to_record(reference), reference) == together


def test_it_survives_the_record_of_the_reference():
    rng = np.random.default_rng(3)
    before = _reference(_correlated(rng, 100, 5))
    after = Reference.from_record(before.to_record())
    assert after.to_record() == before.to_record()
    data = _rows(_correlated(rng, 50, 5))
    assert profile_of(data, before) == profile_of(data, after)


def test_of_more_features_than_are_looked_at_the_first_are():
    rng = np.random.default_rng(4)
    training = rng.normal(size=(150, MOST_FEATURES + 5))
    reference = _reference(training)
    assert reference.projection.features == MOST_FEATURES
    few = _reference(training[:, :MOST_FEATURES])
    window = rng.normal(size=(20, MOST_FEATURES + 5))
    assert profile_of(_rows(window), reference).lost == profile_of(_rows(window), few).lost


def test_a_relation_without_any_noise_is_known_to_the_resolution():
    training = np.arange(200.0)[:, None] * [[1, 2, -1]]
    reference = _reference(training)
    same = statistics_of(_rows(training[::3]), reference)["reconstruction_error"]
    assert abs(same.value) < 1
    broken = statistics_of(_rows(training * [[1, 1.1, 1]]), reference)["reconstruction_error"]
    assert broken.value > 1


def test_one_feature_has_no_relation_to_break():
    training = np.arange(10.0)[:, None]
    found = statistics_of(_rows(training), _reference(training))["reconstruction_error"]
    why = "the reference has fewer than two numeric features that vary"
    assert (found.value, found.note) == (None, why)
