"""Drift of vectors against kernels computed on the raw rows."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from counting import statistics_of
from kedge.contracts import columns_of
from kedge.profile import ColumnSpec, reference_of


def _rows(vectors):
    return [{"v": vector.tolist()} for vector in vectors]


def _compared(window, training):
    reference = reference_of(columns_of(_rows(training), "feature"))
    return statistics_of(_rows(window), reference), reference.columns[0].scale


def _unbiased(kernel, x, y):
    """Gretton et al. 2012, equation 3, pair by pair."""
    n, m = len(x), len(y)
    within = [
        (kernel(z, z).sum() - np.trace(kernel(z, z))) / (k * (k - 1)) for z, k in ((x, n), (y, m))
    ]
    return sum(within) - 2 * kernel(x, y).mean()


def _scaled(scale, *samples):
    return [(sample - scale.centers) / scale.spreads for sample in samples]


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_mmd_is_the_unbiased_estimate_of_its_kernel_on_the_raw_rows(shift):
    rng = np.random.default_rng(1)
    training, window = rng.normal(2, 3, (400, 16)), rng.normal(2 + shift, 3, (120, 16))
    found, scale = _compared(window, training)
    waves = scale.frequencies * 2.0**-16

    def kernel(x, y):
        return np.cos((x @ waves)[:, None] - (y @ waves)[None]).mean(axis=2)

    square = _unbiased(kernel, *_scaled(scale, window, training))
    assert found["mmd"].value ** 2 == pytest.approx(square, abs=2e-4)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_mmd_is_near_that_of_the_gaussian_kernel(shift):
    rng = np.random.default_rng(2)
    training, window = rng.normal(size=(800, 16)), rng.normal(shift, 1, (500, 16))
    found, scale = _compared(window, training)

    def kernel(x, y):
        return np.exp(-cdist(x, y, "sqeuclidean") / (2 * scale.bandwidth**2))

    square = _unbiased(kernel, *_scaled(scale, window, training))
    # Each value of the kernel is a mean of 32: of a deviation of 1 / sqrt(64) at the most.
    assert found["mmd"].value == pytest.approx(np.sqrt(square), abs=0.125)


def test_with_nothing_changed_mmd_is_as_small_as_its_note_says():
    rng = np.random.default_rng(3)
    training = rng.normal(size=(2000, 12))
    found = [_compared(rng.normal(size=(20, 12)), training)[0]["mmd"] for _ in range(30)]
    size = float(found[0].note.removeprefix("few rows: with nothing changed, it may be "))
    assert np.mean([each.value < size for each in found]) > 0.9
    assert _compared(rng.normal(size=(2000, 12)), training)[0]["mmd"].note is None


def test_mmd_sees_what_no_dimension_shows():
    rng = np.random.default_rng(4)
    training = rng.normal(size=(3000, 4))
    window = rng.normal(size=(3000, 1)) * np.ones(4)  # each as before, and all the same
    found, _ = _compared(window, training)
    equal, _ = _compared(rng.normal(size=(3000, 4)), training)
    assert found["dimension_shift"].value < 0.1
    assert found["mmd"].value > 0.1 > 4 * equal["mmd"].value


def test_the_dimension_that_moved_is_named_and_measured():
    rng = np.random.default_rng(5)
    training, window = rng.normal(7, 2, (2000, 40)), rng.normal(7, 2, (500, 40))
    window[:, 17] -= 1.5
    found, _ = _compared(window, training)
    exact = (window[:, 17].mean() - training[:, 17].mean()) / training[:, 17].std()
    assert found["dimension_shift"].value == pytest.approx(-exact, abs=1e-4)
    assert found["dimension_shift"].note.startswith("dimension 17; with nothing changed, up to")


def test_chance_alone_moves_the_largest_as_far_as_the_note_says():
    rng = np.random.default_rng(6)
    training = rng.normal(size=(3000, 50))
    found = [
        _compared(rng.normal(size=(60, 50)), training)[0]["dimension_shift"] for _ in range(30)
    ]
    chance = float(found[0].note.rsplit(" ", 1)[1])
    assert np.mean([each.value for each in found]) < chance < 1.5 * max(e.value for e in found)


def test_what_can_not_be_had_says_why():
    rng = np.random.default_rng(7)
    training = rng.normal(size=(30, 3))
    for window, note in (([{"v": None}], "window"), ([{"v": [1.0, 2.0]}], "window")):
        reference = reference_of(columns_of(_rows(training), "feature"))
        for name in ("mmd", "dimension_shift"):
            found = statistics_of(window, reference)[name]
            assert (found.value, found.note) == (None, f"no usable value in the {note}")
    one, _ = _compared(training[:1], training)
    assert (one["mmd"].value, one["mmd"].note[:13]) == (None, "one row alone")
    constant, _ = _compared(training, np.ones((30, 3)))
    assert constant["dimension_shift"].value is None
    assert constant["mmd"].value > 0.5
    signature = [ColumnSpec("v", "feature", "vector")]
    empty = reference_of(columns_of([{"v": None}], "feature"), signature)
    assert statistics_of(_rows(training), empty)["mmd"].note == "no usable value in the reference"
