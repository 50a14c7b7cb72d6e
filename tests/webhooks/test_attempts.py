import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.policy.webhook import STANDARD_RETRIES
from kedge.webhooks.attempts import pause, retry_after
from kedge.webhooks.positions import Positions

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = 86_400


@given(st.lists(st.floats(0, DAY), max_size=9), st.floats(0, DAY))
def test_a_schedule_is_varied_by_a_fifth_and_comes_to_an_end(schedule, asked):
    for attempts, seconds in enumerate(schedule, 1):
        waited = pause(schedule, attempts, 0)
        assert seconds * 0.8 <= waited <= seconds * 1.2
        assert pause(schedule, attempts, asked) >= asked
    assert pause(schedule, len(schedule) + 1, asked) is None


def test_the_standard_schedule_lasts_three_days():
    hours = list(itertools.accumulate(STANDARD_RETRIES))[-1] / 3600
    assert 72 < hours < 80


@given(st.integers(0, 10**9))
def test_seconds_are_taken_up_to_a_day(seconds):
    assert retry_after(str(seconds), NOW) == min(seconds, DAY)


@given(st.integers(-DAY, 2 * DAY))
def test_a_date_is_as_good_as_seconds(seconds):
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(date, NOW) == min(max(seconds, 0), DAY)


@pytest.mark.parametrize("value", [None, "", "soon", "-5", "1.5", "²", "Wed, 99 May 2024"])
def test_what_is_no_wait_is_none(value):
    assert retry_after(value, NOW) == 0


@given(st.permutations(range(10)), st.integers(0, 10))
def test_only_what_is_done_from_the_start_on_is_committed(order, done):
    positions = Positions()
    for offset in range(10):
        positions.begin(3, offset)
    for offset in order[:done]:
        positions.done(3, offset)
    left = set(range(10)) - set(order[:done])
    assert positions.advanced() == {3: min(left, default=10)}


def test_a_partition_that_was_lost_says_nothing_more():
    positions = Positions()
    positions.begin(0, 5)
    positions.begin(1, 7)
    positions.forget(0)
    positions.done(0, 5)
    assert positions.advanced() == {1: 7}
