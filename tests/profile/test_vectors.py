"""Sums over vectors: exact in any order, and of the vectors that are usable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counting import batch_of, profile_of
from kedge.contracts import columns_of, decode_predictions, encode_batch
from kedge.profile import KINDS, UNIT, ColumnSpec, Profile, Reference, count_windows, reference_of
from kedge.profile.vectors import FREQUENCIES, WAVE_UNIT


def _rows(vectors):
    return [{"v": vector.tolist()} for vector in vectors]


def _reference(vectors):
    return reference_of(columns_of(_rows(vectors), "feature"))


@given(st.integers(2, 70), st.integers(1, 30), st.floats(0.01, 1e4), st.integers(0, 2**32 - 1))
def test_a_profile_of_rows_one_by_one_is_exactly_that_of_the_batch(width, rows, size, seed):
    rng = np.random.default_rng(seed)
    reference = _reference(rng.normal(3, 2, (40, width)))
    data = _rows(rng.normal(3, size, (rows, width)))
    together = profile_of(data, reference)
    assert Profile.of_all([profile_of([row], reference) for row in data]) == together
    assert Profile.from_record(together.to_record(reference), reference) == together
    received = decode_predictions(encode_batch(batch_of(data)))
    assert count_windows(received, reference, 1)[0] == together


def test_the_sums_are_those_of_numpy():
    rng = np.random.default_rng(1)
    training, window = rng.normal(5, 3, (300, 8)), rng.normal(6, 3, (50, 8))
    reference = _reference(training)
    scale = reference.columns[0].scale
    distances = (window - training.mean(axis=0)) / training.std(axis=0)
    sums = profile_of(_rows(window), reference).sums[0]
    assert sums[:8] * UNIT == pytest.approx(distances.sum(axis=0), abs=50 * UNIT)
    phases = distances @ scale.frequencies * 2.0**-16
    waves = np.concatenate([np.cos(phases), np.sin(phases)], axis=1).sum(axis=0)
    assert sums[8:] * WAVE_UNIT == pytest.approx(waves, abs=0.05)
    # Gaussian frequencies of the bandwidth's reciprocal as their deviation.
    assert np.std(scale.frequencies * 2.0**-16 * scale.bandwidth) == pytest.approx(1, abs=0.2)
    assert scale.frequencies.shape == (8, FREQUENCIES)


def test_the_bandwidth_is_the_median_distance():
    rng = np.random.default_rng(2)
    training = rng.normal(5, 3, (200, 6))
    scaled = (training - training.mean(axis=0)) / training.std(axis=0)
    distances = [np.linalg.norm(a - b) for i, a in enumerate(scaled) for b in scaled[:i]]
    scale = _reference(training).columns[0].scale
    assert scale.bandwidth == pytest.approx(np.median(distances), rel=1e-3)


def test_vectors_that_are_no_such_vectors_are_missing_by_kind():
    reference = _reference(np.random.default_rng(3).normal(size=(20, 3)))
    rows = [
        {"v": [1.0, 2.0, 3.0]},
        {"v": [1.0, 2.0]},
        {"v": [1.0, float("nan"), 3.0]},
        {"v": [1.0, float("inf"), 3.0]},
        {"v": "text"},
        {"v": None},
    ]
    profile = profile_of(rows, reference)
    kinds = {k: n for k, n in zip(KINDS, profile.missing[0].tolist(), strict=True) if n}
    assert kinds == {"wrong_type": 2, "nan": 1, "out_of_range": 1, "null": 1}
    assert np.array_equal(profile.sums[0], profile_of(rows[:1], reference).sums[0])


@pytest.mark.parametrize(
    "vectors", [np.ones((5, 3)), np.full((4, 2), 1e308) * [[1, -1]], np.eye(3), np.zeros((1, 2))]
)
def test_a_reference_with_vectors_survives_its_record(vectors):
    before = _reference(vectors)
    after = Reference.from_record(before.to_record())
    assert after.to_record() == before.to_record()
    assert profile_of(_rows(vectors), before) == profile_of(_rows(vectors), after)


def test_a_reference_without_vectors_has_no_scale():
    signature = [ColumnSpec("v", "feature", "vector")]
    reference = reference_of(columns_of([{"v": None}, {}], "feature"), signature)
    assert reference.columns[0].scale is None
    profile = profile_of([{"v": [1.0, 2.0]}], reference)
    assert (profile.counts[0].tolist(), profile.sums[0].tolist()) == ([1], [])
