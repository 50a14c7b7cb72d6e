"""Groups that go missing together, on rows made to have them and rows made not to."""

import numpy as np
import pytest

from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import Profile, count_windows, reference_of
from kedge.statistics import window_statistics

FEATURES = [f"f{i}" for i in range(12)]
ROWS = 4000


def _rows(rng, feeds, noise=0.02):
    """Each feature missing in a share of the rows by itself, and each feed in a share of them."""
    lacking = rng.random((ROWS, len(FEATURES))) < noise
    for features, share in feeds:
        lacking[np.ix_(rng.random(ROWS) < share, features)] = True
    return lacking


def _columns(lacking):
    return columns_of(
        [
            {name: 1.0 for name, none in zip(FEATURES, row, strict=True) if not none}
            for row in lacking
        ],
        "feature",
    )


def _together(window, reference):
    known = reference_of(_columns(reference))
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        ["id"] * ROWS,
        np.zeros(ROWS, np.int64),
        np.full(ROWS, np.nan, np.float32),
        _columns(window),
    )
    profile = count_windows(batch, known, 1)[0]
    (found,) = (s for s in window_statistics(profile, known) if s.name == "missing_together")
    return found


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_feed_that_fails_is_named_and_measured(share):
    rng = np.random.default_rng(1)
    window, reference = _rows(rng, [([2, 5, 7], share)]), _rows(rng, [])
    found = _together(window, reference)
    exact = window[:, [2, 5, 7]].all(axis=1).mean() - reference[:, [2, 5, 7]].all(axis=1).mean()
    assert found.value == pytest.approx(exact, abs=1e-12)
    assert found.note.startswith("f2, f5 and f7 in ")
    assert found.rows == ROWS


def test_two_feeds_are_two_groups():
    rng = np.random.default_rng(2)
    window = _rows(rng, [([0, 1], 0.3), ([8, 9, 10], 0.4)])
    found = _together(window, _rows(rng, []))
    assert found.value == pytest.approx(window[:, [8, 9, 10]].all(axis=1).mean(), abs=0.002)
    assert found.note.startswith("f8, f9 and f10 in ")
    assert "; f0 and f1 in " in found.note


def test_what_was_missing_together_before_is_no_news():
    rng = np.random.default_rng(3)
    feeds = [([3, 4], 0.2)]
    assert _together(_rows(rng, feeds), _rows(rng, feeds)).value < 0.02


def test_features_that_go_missing_each_by_itself_are_no_group():
    rng = np.random.default_rng(4)
    assert _together(_rows(rng, [([3], 0.4), ([4], 0.4)]), _rows(rng, [])).value < 0.02


def test_more_patterns_than_are_kept_leave_bounds():
    rng = np.random.default_rng(5)
    window, reference = _rows(rng, [([2, 5, 7], 0.9)], noise=0.15), _rows(rng, [])
    found = _together(window, reference)
    exact = window[:, [2, 5, 7]].all(axis=1).mean() - reference[:, [2, 5, 7]].all(axis=1).mean()
    assert found.low <= found.value <= exact <= found.high


def test_nothing_missing_is_no_group_and_no_rows_say_nothing():
    rng = np.random.default_rng(6)
    full = _rows(rng, [], noise=0)
    assert (_together(full, full).value, _together(full, full).note) == (0, None)
    known = reference_of(_columns(full))
    for statistic in window_statistics(Profile.empty(known), known):
        if statistic.name == "missing_together":
            assert (statistic.value, statistic.note) == (
                None,
                "no rows in the window or in the reference",
            )
