import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import columns_of
from kedge.performance import SegmentPattern, segments_of
from kedge.profile import reference_of

ROWS = [
    {"origin": ("JFK", "EWR")[i % 2], "distance": float(i), "late": i % 2 == 0, "v": [1.0]}
    for i in range(100)
]
COLUMNS = {c.spec.name: c for c in reference_of(columns_of(ROWS, "feature"), bins=4).columns}


def _segments(patterns, value):
    parsed = [SegmentPattern.parse(pattern) for pattern in patterns]
    return segments_of(parsed, COLUMNS[parsed[0].feature], value)


@pytest.mark.parametrize(
    ("pattern", "value", "segments"),
    [
        ("origin=*", "JFK", ["origin=JFK"]),
        ("origin=J*", "EWR", []),
        ("origin=*", "XXX", ["origin=other"]),
        ("origin=XXX", "XXX", ["origin=XXX"]),
        ("origin=other", "XXX", ["origin=other"]),
        ("origin=JFK", "EWR", []),
        ("origin=*", "", []),
        ("late=true", True, ["late=true"]),
        ("late=*", False, ["late=false"]),
        ("distance=*", 10, ["distance=(-inf,24.75)"]),
        ("distance=*", 24.75, ["distance=[24.75,49.5)"]),
        ("distance=*", 1e9, ["distance=[74.25,inf)"]),
        ("distance=[24.75,49.5)", 30.0, ["distance=[24.75,49.5)"]),
        ("distance=10", 10.0, ["distance=10"]),
        ("distance=[10, 20.0)", 10, ["distance=[10,20)"]),
        ("distance=[10,20)", 20, []),
        ("distance=(10,20]", 20, ["distance=(10,20]"]),
        ("distance=(10,20]", 10, []),
        ("distance=(-inf,0]", -5, ["distance=(-inf,0]"]),
        ("distance=*", math.nan, []),
        ("distance=[0,1]", True, []),
        ("distance=[0,1]", "0.5", []),
        ("distance=*", None, []),
        ("v=*", [1.0], []),
    ],
)
def test_the_segment_of_a_value(pattern, value, segments):
    assert _segments([pattern], value) == segments


def test_a_row_may_be_in_several():
    assert _segments(["distance=[0,50)", "distance=[0,90)", "distance=[0.0,50)"], 7) == [
        "distance=[0,50)",
        "distance=[0,90)",
    ]


@pytest.mark.parametrize("name", ["origin", "distance", "late"])
@given(st.lists(st.floats() | st.text() | st.none() | st.booleans(), max_size=60))
def test_a_glob_makes_never_more_segments_than_bins_and_one_and_covers_them(name, values):
    pattern = SegmentPattern.parse(f"{name}=*")
    segments = {s for value in values for s in segments_of([pattern], COLUMNS[name], value)}
    assert len(segments) <= len(COLUMNS[name].bins) + 1
    assert all(pattern.covers(segment) for segment in segments)


@given(st.floats(-1e9, 1e9), st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2).map(sorted))
def test_ranges_with_open_and_closed_ends_part_the_line(value, ends):
    low, high = ends
    parts = [f"distance=(-inf,{low!r})", f"distance=[{low!r},{high!r}]", f"distance=({high!r},inf)"]
    (segment,) = _segments(parts, value)
    (pattern,) = [p for p in map(SegmentPattern.parse, parts) if p.covers(segment)]
    assert pattern.low <= value <= pattern.high


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("origin", "feature=value"),
        ("=JFK", "feature=value"),
        ("origin=", "feature=value"),
        ("or*=JFK", "name one feature"),
        ("distance=[a,3)", "'a' in 'distance=\\[a,3\\)' is no number"),
        ("distance=[3,1)", "ends before it begins"),
        ("distance=[nan,1)", "no number"),
    ],
)
def test_what_is_no_segment_is_refused(pattern, says):
    with pytest.raises(ValueError, match=says):
        SegmentPattern.parse(pattern)
