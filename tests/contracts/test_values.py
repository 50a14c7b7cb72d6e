"""Every Python value becomes what the table in `kedge.contracts.values` says."""

import datetime as dt
import decimal
import enum
import fractions
import math
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts.values import ABSENT, LONGEST_TEXT, plain, plain_cells, plain_name


class Colour(enum.IntEnum):
    RED = 3


class Hostile:
    def __str__(self):
        raise RuntimeError("no")

    __repr__ = __eq__ = __bool__ = __float__ = __iter__ = __len__ = __str__
    __hash__ = None


class Shouting(str):
    __slots__ = ()

    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        (True, True),
        (np.bool_(False), False),  # noqa: FBT003 - the value under test
        (7, 7),
        (np.int16(-7), -7),
        (Colour.RED, 3),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (10**400, math.inf),
        (-(10**400), -math.inf),
        ("text", "text"),
        (Shouting("text"), "text"),
        ("x" * 5000, "x" * LONGEST_TEXT),
        ("\udcff", "?"),
        (np.str_("text"), "text"),
        ([1, 2.5, None, True], [1.0, 2.5, math.nan, 1.0]),
        ((1, 2), [1.0, 2.0]),
        ([], []),
        (["a"], "<list>"),
        (np.array(4.0), 4.0),
        (np.array([[1.0]]), "<ndarray>"),
        (np.datetime64("NaT"), None),
        (dt.datetime(2013, 7, 1, 12, tzinfo=dt.UTC), "2013-07-01 12:00:00+00:00"),
        (dt.date(2013, 7, 1), "2013-07-01"),
        (decimal.Decimal("1.50"), "1.50"),
        (fractions.Fraction(1, 3), "1/3"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ({"a": 1}, "<dict>"),
        (b"bytes", "<bytes>"),
        (Hostile(), "<Hostile>"),
        (Hostile, "<type>"),
        (1j, "<complex>"),
    ],
)
def test_a_value_becomes_what_the_table_says(value, kept):
    found = plain(value)
    assert type(found) is type(kept)
    # NaN differs from itself, and stands in a list here.
    assert repr(found) == repr(kept)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.datetimes(),
    st.lists(st.one_of(st.floats(), st.none(), st.text(max_size=2)), max_size=3),
    st.builds(Hostile),
    st.builds(object),
)


@given(anything)
def test_what_is_kept_is_of_few_types_and_keeping_it_again_changes_nothing(value):
    kept = plain(value)
    assert isinstance(kept, bool | int | float | str | list | np.ndarray | None)
    assert repr(plain(kept)) == repr(kept)


@given(st.lists(st.one_of(anything, st.just(ABSENT)), max_size=6))
def test_a_column_is_kept_cell_by_cell(cells):
    kept = plain_cells(cells)
    assert [cell is ABSENT for cell in kept] == [cell is ABSENT for cell in cells]
    assert repr([c for c in kept if c is not ABSENT]) == repr(
        [plain(c) for c in cells if c is not ABSENT]
    )


def test_what_is_no_text_is_written_as_one_where_a_name_is_due():
    assert [plain_name(key) for key in ("a", 7, None, Hostile())] == [
        "a",
        "7",
        "None",
        "<Hostile>",
    ]
