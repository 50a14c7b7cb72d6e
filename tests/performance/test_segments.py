import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import columns_of
from kedge.performance import segment_of
from kedge.profile import reference_of

ROWS = [{"origin": "JFK", "distance": float(i), "late": i % 2 == 0, "v": [1.0]} for i in range(100)]
COLUMNS = {c.spec.name: c for c in reference_of(columns_of(ROWS, "feature"), bins=4).columns}


@pytest.mark.parametrize(
    ("name", "value", "segment"),
    [
        ("origin", "JFK", "origin=JFK"),
        ("origin", "XXX", "origin=other"),
        ("origin", "", None),
        ("late", True, "late=true"),
        ("distance", 10, "distance=below 24.75"),
        ("distance", 24.75, "distance=24.75 to 49.5"),
        ("distance", 1e9, "distance=74.25 or above"),
        ("distance", math.nan, None),
        ("distance", "far", None),
        ("distance", None, None),
    ],
)
def test_the_segment_of_a_value(name, value, segment):
    assert segment_of(COLUMNS[name], value) == segment


@given(st.lists(st.floats(allow_nan=False) | st.text() | st.none() | st.booleans(), max_size=60))
def test_there_are_never_more_segments_than_bins_and_one(values):
    for name in ("origin", "distance", "late"):
        segments = {segment_of(COLUMNS[name], value) for value in values} - {None}
        assert len(segments) <= len(COLUMNS[name].bins) + 1


def test_a_vector_has_none():
    with pytest.raises(ValueError, match="feature `v` is a vector"):
        segment_of(COLUMNS["v"], [1.0])
