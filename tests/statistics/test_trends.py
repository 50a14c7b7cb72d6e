"""What is published of trends and steps, against NumPy on the raw rows."""

import numpy as np
import pytest

from counting import profile_of
from kedge.contracts import columns_of
from kedge.profile import ColumnSpec, Profile, reference_of
from kedge.statistics import CATALOGUE, Past, trend_statistics

MINUTE = 60_000_000
DAY = 86_400_000_000
START = 1_700_000_040_000_000
RNG = np.random.default_rng(3)
REFERENCE = reference_of(
    columns_of([{"x": float(x), "c": "a", "k": 7.0} for x in RNG.normal(10, 2, 500)], "feature"),
    (
        ColumnSpec("x", "feature", "numeric"),
        ColumnSpec("c", "feature", "categorical"),
        ColumnSpec("k", "feature", "numeric"),
    ),
)
SPREAD = REFERENCE.columns[0].scale.spread


def _windows(shift, missing=lambda _: 0.0, windows=20, every=MINUTE):
    """Raw values of x, and what Kedge has of them; c is null for a share of the rows."""
    rng = np.random.default_rng(8)
    raw, past = [], []
    for i in range(windows):
        rows = int(rng.integers(100, 300))
        xs = rng.normal(10 + 2 * shift(i), 2, rows)
        nulls = rng.random(rows) < missing(i)
        cells = [
            {"x": float(x), "c": None if null else "a", "k": 7.0}
            for x, null in zip(xs, nulls, strict=True)
        ]
        raw.append((xs, nulls))
        past.append(Past(START + i * every, profile_of(cells, REFERENCE)))
    return raw, past


def _told(past):
    return {(s.name, s.column): s for s in trend_statistics(past, REFERENCE)}


def test_a_trend_is_the_slope_of_the_raw_means_and_no_step():
    raw, past = _windows(lambda i: 0.05 * i, lambda i: 0.02 * i, every=DAY // 2)
    told, days = _told(past), np.arange(20) / 2
    rows = np.array([len(xs) for xs, _ in raw])
    for name, column, means in (
        ("trend", "x", [xs.mean() / SPREAD for xs, _ in raw]),
        ("missing_trend", "c", [nulls.mean() for _, nulls in raw]),
    ):
        slope = np.polyfit(days, means, 1, w=np.sqrt(rows))[0]
        found = told[name, column]
        assert found.value == pytest.approx(slope, rel=1e-3)
        assert found.low < slope < found.high
        assert found.rows == rows.sum()
        assert found.note == f"{found.value * 9.5:+.3g} over 20 windows"
    for name in (("step", "x"), ("missing_step", "c")):
        assert told[name].value == 0
        assert told[name].note == "a line explains the 20 windows better"


def test_a_step_is_the_difference_of_the_raw_means_with_its_time_and_no_trend():
    raw, past = _windows(lambda i: 0.5 * (i >= 12), lambda i: 0.3 * (i >= 15))
    told = _told(past)
    x, c = told["step", "x"], told["missing_step", "c"]
    values = [np.concatenate([xs for xs, _ in part]) for part in (raw[:12], raw[12:])]
    before, after = values
    assert x.value == pytest.approx((after.mean() - before.mean()) / SPREAD, rel=1e-3)
    # The rows vary as those of the reference do, nearly.
    error = np.sqrt(1 / len(before) + 1 / len(after))
    assert x.high - x.value == pytest.approx(3 * error, rel=0.35)
    assert x.note.startswith("since 2023-11-14T22:26:00Z")
    assert told["trend", "x"].value == 0
    share = np.concatenate([nulls for _, nulls in raw[15:]]).mean()
    assert c.value == share
    assert c.low < 0.3 < c.high
    assert c.note.startswith("since 2023-11-14T22:29:00Z")
    assert told["missing_trend", "c"].note == "a step explains the 20 windows better"


def test_calm_windows_have_neither_and_one_missing_value_is_no_step():
    _, past = _windows(lambda _: 0.0)
    rows = [{"x": 10.0, "c": None, "k": 7.0}, *[{"x": 10.0, "c": "a", "k": 7.0}] * 300]
    past[-1] = past[-1]._replace(profile=profile_of(rows, REFERENCE))
    told = _told(past)
    for column in ("x", "c"):
        assert told["missing_step", column].value == told["missing_trend", column].value == 0
        assert told["missing_step", column].note == "no change, as far as 20 windows tell"
    assert (told["trend", "x"].value, told["step", "x"].value) == (0, 0)


def test_what_cannot_be_said_has_no_value_and_a_reason():
    _, past = _windows(lambda _: 0.0, windows=7)
    # Neither windows without rows nor rows without a value make an eighth.
    empty = Past(START + 7 * MINUTE, Profile.empty(REFERENCE))
    told = _told([*past, empty])
    assert {s.value for s in told.values()} == {None}
    assert told["step", "x"].note == "7 windows have values, 8 are needed"
    told = _told([*past, Past(empty.start, profile_of([{"c": "a"}] * 9, REFERENCE))])
    assert told["trend", "x"].note == "7 windows have values, 8 are needed"
    assert told["missing_step", "c"].value == 0
    assert told["trend", "k"].note == "the reference has no standard deviation to measure in"
    assert list(trend_statistics([empty], REFERENCE)) == []


def test_every_number_is_in_the_catalogue():
    told = _told(_windows(lambda _: 0.0, windows=9)[1])
    assert {name for name, _ in told} <= CATALOGUE.keys()
