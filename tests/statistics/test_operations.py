from collections import Counter
from dataclasses import replace
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PredictionBatch, Tags
from kedge.profile import Profile, Reference, count_windows
from kedge.statistics import CATALOGUE, Traffic, operational_statistics

NOTHING = Reference(0, ())
ALONE = Traffic(1, None)
TIMED = ("latency_p50", "latency_p95", "latency_p99")


def _profile(latencies, errors=()):
    batch = PredictionBatch(
        Tags("m", "mv", "cv", 1, "test"),
        ["id"] * len(latencies),
        np.zeros(len(latencies), np.int64),
        np.array(latencies, np.float32),
        (),
        dict(enumerate(errors)),
    )
    return count_windows(batch, NOTHING, 1)[0]


def _statistics(profile, traffic=ALONE):
    return {(s.name, s.kind): s for s in operational_statistics(profile, traffic)}


def test_latencies_say_their_error_and_what_they_are_of():
    statistics = _statistics(_profile([*range(1, 98), np.nan, np.nan, -1.0]))
    for name, exact in zip(TIMED, (49, 92, 96), strict=True):
        statistic = statistics[name, None]
        assert statistic.value == pytest.approx(exact, rel=0.02)
        assert statistic.rows == 97
        assert statistic.note == (
            "within 2% of the exact value; 2 of 100 rows have no latency; "
            "1 of 100 rows have one that can't be"
        )


def test_where_no_latency_is_logged_the_note_says_so():
    for statistic in map(_statistics(_profile([np.nan] * 3)).get, [(n, None) for n in TIMED]):
        assert (statistic.value, statistic.rows) == (None, 0)
        assert statistic.note == "3 of 3 rows have no latency"


@given(st.lists(st.sampled_from(["A", "B", "C"]), max_size=20))
def test_error_rates_are_by_type(errors):
    profile = _profile([1.0] * 20, errors)
    rates = {
        kind: s.value for (name, kind), s in _statistics(profile).items() if name == "error_rate"
    }
    assert rates == {error: count / 20 for error, count in Counter(errors).items()}


@given(st.integers(0, 50), st.integers(0, 100), st.lists(st.integers(0, 9), max_size=8).map(tuple))
def test_traffic_is_held_against_all_releases_and_the_windows_before(mine, others, before):
    profile = replace(Profile.empty(NOTHING), rows=mine)
    statistics = _statistics(profile, Traffic(mine + others, before))
    share, volume = statistics["traffic_share", None], statistics["volume_ratio", None]
    if mine + others:
        assert share.value == mine / (mine + others)
    else:
        assert (share.value, share.note) == (None, "no rows of any release in the window")
    if len(before) >= 5 and median(before):
        assert volume.value == (mine + others) / median(before)
        return
    assert volume.value is None
    assert volume.note in (
        f"{len(before)} windows before it, 5 are needed",
        "no rows are expected: the median of the windows before is 0",
    )


def test_a_longer_window_expects_nothing():
    assert _statistics(_profile([1.0]))["volume_ratio", None].note == "of base windows only"


def test_every_number_is_in_the_catalogue():
    assert {name for name, _ in _statistics(_profile([1.0], ["A"]))} <= CATALOGUE.keys()


def test_a_window_of_nothing_says_so():
    for statistic in operational_statistics(Profile.empty(NOTHING), Traffic(0, ())):
        assert (statistic.value, statistic.rows) == (None, 0)
        assert statistic.note
