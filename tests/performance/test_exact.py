"""Exact sums against fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.performance.exact import (
    exact_from_text,
    exact_squares,
    exact_sum,
    exact_sums,
    exact_text,
    quotient,
)

floats = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30).map(
    lambda values: np.array(values, np.float64)
)
UNIT = Fraction(1, 2**1074)


@given(floats)
def test_a_sum_is_that_of_the_fractions(values):
    assert exact_sum(values) * UNIT == sum(map(Fraction, values.tolist()))


@given(floats, st.data())
def test_each_group_has_its_own_sum(values, data):
    groups = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values))), np.int64
    )
    sums = exact_sums(values, groups, 4)
    assert [total * UNIT for total in sums] == [
        sum(map(Fraction, values[groups == group].tolist())) for group in range(4)
    ]


@given(
    st.lists(
        st.floats(-1e150, 1e150).filter(lambda x: x == 0 or abs(x) >= 1e-140), max_size=20
    ).map(lambda values: np.array(values, np.float64))
)
def test_squares_are_those_of_the_fractions(values):
    squares = exact_sum(exact_squares(values)) * UNIT
    assert squares == sum(Fraction(value) ** 2 for value in values.tolist())


@given(floats, st.integers(1, 1000))
def test_a_quotient_is_rounded_once(values, divisor):
    exact = sum(map(Fraction, values.tolist())) / divisor
    try:
        expected = float(exact)
    except OverflowError:
        return
    assert quotient(exact_sum(values), divisor) == expected


@given(floats)
def test_text_is_read_back(values):
    total = exact_sum(values)
    assert exact_from_text(exact_text(total)) == total


@pytest.mark.parametrize("text", ["", "1", "1p", "p0", "1p-1075"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        exact_from_text(text)
