"""Counts against a brute-force count, row by row, of the documented rules."""

import math
import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import (
    PredictionBatch,
    Tags,
    columns_of,
    decode_predictions,
    encode,
    encode_batch,
)
from kedge.profile import KINDS, ColumnSpec, Profile, Reference, count_windows, reference_of
from strategies import FEATURES, feature_rows

TAGS = Tags("flights", "mv", "cv", 1, "test")
WINDOW = 60_000_000
SIGNATURE = (
    ColumnSpec("distance", "feature", "numeric", minimum=-2, maximum=10),
    ColumnSpec("carrier", "feature", "categorical"),
    ColumnSpec("late", "feature", "boolean"),
    ColumnSpec("origin", "feature", "numeric"),
    ColumnSpec("output", "output", "numeric"),
)
TRAINING = [
    {"distance": float(i % 7), "carrier": ["AA", "B6", "1"][i % 3], "late": i % 2 == 0, "origin": 4}
    for i in range(60)
]
REFERENCE = reference_of(
    [
        *columns_of(TRAINING, "feature"),
        *columns_of([{"output": i / 60} for i in range(60)], "output"),
    ],
    SIGNATURE,
)
rows = st.lists(
    st.tuples(
        feature_rows,
        st.sets(st.sampled_from(FEATURES)),
        st.dictionaries(st.just("output"), st.floats(0, 1) | st.none()),
        st.integers(0, 3 * WINDOW),
    ),
    min_size=1,
    max_size=12,
)


def _batch(data):
    imputed = [filled for _, filled, _, _ in data]
    return PredictionBatch(
        TAGS,
        [str(uuid.uuid4()) for _ in data],
        np.array([time for *_, time in data], np.int64),
        np.full(len(data), np.nan, np.float32),
        (
            *columns_of([features for features, *_ in data], "feature", imputed),
            *columns_of([outputs for _, _, outputs, _ in data], "output"),
        ),
    )


def _cell(row, filled, column):
    """Bin of a row, or the name of its kind of missing."""
    spec = column.spec
    if spec.name in filled:
        return "imputed"
    if spec.name not in row:
        return "absent"
    value = row[spec.name]
    if value is None:
        return "null"
    if value == "":
        return "empty"
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    if spec.type == "categorical":
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, int | float):
            value = str(int(value)) if math.isfinite(value) and value == int(value) else repr(value)
        categories = column.bins.categories
        return categories.index(value) if value in categories else "unseen"
    if isinstance(value, str):
        return "wrong_type"
    if spec.type == "boolean":
        return int(value) if value in (0, 1) else "wrong_type"
    if isinstance(value, bool):
        return "wrong_type"
    below = spec.minimum is not None and value < spec.minimum
    above = spec.maximum is not None and value > spec.maximum
    if math.isinf(value) or below or above:
        return "out_of_range"
    return sum(edge <= value for edge in column.bins.edges)


def _brute_force(data):
    windows = {}
    for features, filled, outputs, time in data:
        tally = windows.setdefault(time // WINDOW * WINDOW, [{} for _ in REFERENCE.columns])
        for cells, column in zip(tally, REFERENCE.columns, strict=True):
            side = (features, filled) if column.spec.role == "feature" else (outputs, ())
            cell = _cell(*side, column)
            cells[cell] = cells.get(cell, 0) + 1
    return windows


def _tallies(profile):
    return [
        {i: n for i, n in enumerate(counts.tolist()) if n}
        | {kind: n for kind, n in zip(KINDS, missing.tolist(), strict=True) if n}
        for counts, missing in zip(profile.counts, profile.missing, strict=True)
    ]


@given(rows)
def test_counts_are_those_of_brute_force(data):
    profiles = count_windows(_batch(data), REFERENCE, WINDOW)
    assert {start: _tallies(profile) for start, profile in profiles.items()} == _brute_force(data)


def _sums(data):
    """For each window and numeric column, the sum of the values in each bin, one by one."""
    sums = {}
    for features, filled, outputs, time in data:
        tally = sums.setdefault(
            time // WINDOW * WINDOW, [[0] * len(column.sums) for column in REFERENCE.columns]
        )
        for in_bins, column in zip(tally, REFERENCE.columns, strict=True):
            side = (features, filled) if column.spec.role == "feature" else (outputs, ())
            cell = _cell(*side, column)
            if column.scale is not None and not isinstance(cell, str):
                value = float(side[0][column.spec.name])
                distance = (value - column.scale.center) / column.scale.spread
                in_bins[cell] += round(max(-1024, min(1024, distance)) * 2**13)
    return sums


@given(rows)
def test_sums_are_those_of_brute_force(data):
    profiles = count_windows(_batch(data), REFERENCE, WINDOW)
    expected = _sums(data)
    assert sum(column.scale is not None for column in REFERENCE.columns) == 2
    for start, profile in profiles.items():
        for found, wanted in zip(profile.sums, expected[start], strict=True):
            # The quotient may be rounded the other way where it is half a unit.
            assert found.tolist() == pytest.approx(wanted, abs=len(data))


@given(rows)
def test_batch_form_on_the_wire_changes_no_count(data):
    batch = _batch(data)
    received = decode_predictions(encode_batch(batch))
    assert list(received.ids) == list(batch.ids)
    assert count_windows(received, REFERENCE, WINDOW) == count_windows(batch, REFERENCE, WINDOW)


@given(rows)
def test_single_form_on_the_wire_changes_no_count(data):
    total = {}
    for features, filled, outputs, time in data:
        message = encode(
            "prediction",
            {
                "id": "x",
                "event_time": time,
                "model": "flights",
                "model_version": "mv",
                "code_version": "cv",
                "release": 1,
                "environment": "test",
                "features": features,
                "imputed": sorted(filled),
                "outputs": outputs,
            },
        )
        for start, profile in count_windows(decode_predictions(message), REFERENCE, WINDOW).items():
            total[start] = total[start] + profile if start in total else profile
    assert total == count_windows(_batch(data), REFERENCE, WINDOW)


@given(rows, rows)
def test_the_profile_of_both_is_the_sum(left, right):
    together = count_windows(_batch(left + right), REFERENCE, WINDOW)
    empty = Profile.empty(REFERENCE)
    apart = {}
    for part in (left, right):
        for start, profile in count_windows(_batch(part), REFERENCE, WINDOW).items():
            apart[start] = apart.get(start, empty) + profile
    assert apart == together


@given(st.lists(rows.filter(bool), min_size=1, max_size=4))
def test_the_profile_of_all_is_the_sum(parts):
    profiles = [
        profile
        for part in parts
        for profile in count_windows(_batch(part), REFERENCE, WINDOW).values()
    ]
    one_by_one = Profile.empty(REFERENCE)
    for profile in profiles:
        one_by_one = one_by_one + profile
    assert Profile.of_all(profiles) == one_by_one


@given(rows)
def test_every_row_is_counted_once_in_every_column(data):
    for profile in count_windows(_batch(data), REFERENCE, WINDOW).values():
        for counts, missing in zip(profile.counts, profile.missing, strict=True):
            assert counts.sum() + missing.sum() == profile.rows


@given(rows)
def test_a_profile_survives_its_contract(data):
    for profile in count_windows(_batch(data), REFERENCE, WINDOW).values():
        assert Profile.from_record(profile.to_record(REFERENCE), REFERENCE) == profile


def test_a_profile_of_another_reference_is_refused():
    other = Reference(REFERENCE.rows, REFERENCE.columns[:-1])
    record = {
        "model": "flights",
        "release": 4,
        **Profile.empty(REFERENCE).to_record(REFERENCE),
    }
    with pytest.raises(ValueError, match="release 4 of flights does not fit"):
        Profile.from_record(record, other)


@pytest.mark.parametrize(
    "change",
    [
        {"together": {"patterns": [{"columns": [0, 5], "rows": 1}], "other": 0}},
        {"columns": []},
    ],
)
def test_a_profile_that_does_not_fit_is_refused(change):
    record = Profile.empty(REFERENCE).to_record(REFERENCE) | change
    with pytest.raises(ValueError, match="release 4 of flights does not fit"):
        Profile.from_record({"model": "flights", "release": 4, **record}, REFERENCE)


def test_sums_of_another_scale_are_refused():
    record = Profile.empty(REFERENCE).to_record(REFERENCE)
    record["columns"][0]["sums"].pop()
    with pytest.raises(ValueError, match="release 4 of flights does not fit"):
        Profile.from_record({"model": "flights", "release": 4, **record}, REFERENCE)


def test_errors_are_counted_in_their_window():
    data = [({}, set(), {}, 0), ({}, set(), {}, WINDOW), ({}, set(), {}, WINDOW)]
    batch = _batch(data)
    batch.errors.update({1: "ValueError", 2: "KeyError"})
    profiles = count_windows(batch, REFERENCE, WINDOW)
    assert [profiles[start].errors for start in (0, WINDOW)] == [0, 2]


def test_times_before_1970_fall_into_the_window_that_holds_them():
    (start,) = count_windows(_batch([({}, set(), {}, -1)]), REFERENCE, WINDOW)
    assert start == -WINDOW
