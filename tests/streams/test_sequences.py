"""Gaps in the numbers of a producer, against sets of single numbers."""

from hypothesis import given
from hypothesis import strategies as st

from kedge.streams.sequences import Run, gaps, joined

runs = st.lists(
    st.builds(lambda first, rows: Run(first, first + rows), st.integers(0, 40), st.integers(0, 6)),
    max_size=10,
)


def _numbers(some):
    return {number for run in some for number in range(run.first, run.following)}


@given(runs)
def test_joined_is_the_same_numbers_in_the_fewest_runs(some):
    found = joined(some)
    assert _numbers(found) == _numbers(some)
    numbers = _numbers(some)
    assert len(found) == len([n for n in numbers if n - 1 not in numbers])
    assert found == sorted(found)


@given(runs, st.booleans())
def test_gaps_are_the_numbers_below_the_last_that_never_came(some, from_start):
    numbers = _numbers(some)
    first = 0 if from_start else min(numbers, default=0)
    missing = set(range(first, max(numbers, default=0))) - numbers
    found = gaps(some, from_start=from_start)
    assert _numbers(found) == missing
    assert len(found) == len([n for n in missing if n - 1 not in missing])
