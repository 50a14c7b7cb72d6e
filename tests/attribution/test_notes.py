"""What is remembered of windows: the newest, of every column, within bounds."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kedge.attribution.notes import COLUMNS, WINDOWS, Column, Notes, ReleaseNotes
from kedge.contracts import PredictionBatch, Tags, columns_of
from kedge.profile import KINDS, count_windows, reference_of
from kedge.statistics import window_statistics
from statistic_records import MINUTE, increase, statistic, window


def _kept(notes, release=1):
    kept = notes.of(release)
    return None if kept is None else kept.to_json()


RECORDS = st.lists(
    st.tuples(st.integers(1, 2), st.integers(0, 40), st.integers(0, 3), st.floats(-1, 1)),
    max_size=60,
)


@given(RECORDS)
def test_of_each_window_the_newest_revision_is_kept_and_of_windows_the_newest(records):
    notes, newest = Notes(MINUTE), {}
    for release, minute, revision, value in records:
        notes.observe(window(release, minute, increase(value), revision=revision))
        kept = notes.of(release)
        assert len(kept.windows) <= WINDOWS
        known = newest.setdefault(release, {})
        if minute not in known or known[minute][0] < revision:
            # Once a window is forgotten, its revisions come too late.
            if minute in known or len(known) < WINDOWS or minute > min(known):
                known[minute] = revision, value
            for oldest in sorted(known)[:-WINDOWS]:
                del known[oldest]
    for release, known in newest.items():
        seen = {
            start // MINUTE: (note.revision, note.columns[Column("feature", "dep_delay")].increase)
            for start, note in notes.of(release).windows.items()
        }
        assert {m: r for m, (r, _) in seen.items()} == {m: r for m, (r, _) in known.items()}
        for minute, (_, value) in known.items():
            assert abs(seen[minute][1] - value) <= 1e-3 * abs(value)


@given(RECORDS, st.integers(0, 60))
def test_a_restart_anywhere_remembers_the_same(records, cut):
    straight, restarted = Notes(MINUTE), Notes(MINUTE)
    for number, (release, minute, revision, value) in enumerate(records):
        if number == cut:
            before, restarted = restarted, Notes(MINUTE)
            for release_number, kept in before:
                data = json.loads(json.dumps(kept.to_json()))
                restarted.restore(release_number, ReleaseNotes.from_json(data))
        record = window(release, minute, increase(value), revision=revision)
        assert straight.observe(record) == restarted.observe(record)
    assert [_kept(straight, n) for n in (1, 2)] == [_kept(restarted, n) for n in (1, 2)]


def test_other_windows_and_empty_ones_are_not_noted():
    notes = Notes(MINUTE)
    assert not notes.observe(window(1, 0, increase(0.1), minutes=60))
    assert not notes.observe(window(1, 0, increase(0.1), clock="broker"))
    assert not notes.observe(window(1, 0, statistic("accuracy", 0.5), part="performance"))
    assert not notes.observe(window(1, 0, increase(0.1, rows=0)))
    assert _kept(notes) is None


def test_columns_beyond_the_cap_are_left_out():
    notes = Notes(MINUTE)
    notes.observe(window(1, 0, *(increase(0.1, f"x{i}") for i in range(COLUMNS + 5))))
    assert len(notes.of(1).windows[0].columns) == COLUMNS


def test_what_is_noted_is_what_the_raw_rows_have():
    rng = np.random.default_rng(1)
    past = [{"x": x, "y": x} for x in rng.normal(size=2000).tolist()]
    reference = reference_of(columns_of(past, "feature"))
    rows = [{"x": x + 1} if i % 4 else {"x": None, "y": x} for i, x in enumerate(range(400))]
    batch = PredictionBatch(
        Tags("flights", "mv", "cv1", 1, "production"),
        [""] * len(rows),
        np.zeros(len(rows), np.int64),
        np.full(len(rows), np.nan, np.float32),
        columns_of(rows, "feature"),
    )
    profile = count_windows(batch, reference, MINUTE)[0]
    found = [each.to_record() for each in window_statistics(profile, reference)]
    notes = Notes(MINUTE)
    notes.observe(window(1, 0, *found))
    x, y = (notes.of(1).windows[0].columns[Column("feature", name)] for name in "xy")
    assert set(x.missing) | set(y.missing) <= set(KINDS)
    assert (x.missing["null"], y.missing["absent"]) == (0.25, 0.75)
    assert (x.rows, y.rows) == (300 - _out(x, 400), 100 - _out(y, 400))
    assert x.excess < x.drift
    assert x.chance > 10


def _out(note, rows):
    """Rows outside of the reference's range, which have no bin."""
    return round(note.missing.get("out_of_range", 0.0) * rows)


def test_what_fifty_columns_take():
    notes = Notes(MINUTE)
    for minute in range(2 * WINDOWS):
        columns = [f"feature_{i}" for i in range(50)]
        numbers = [
            statistic(name, 0.12345, role="feature", column=column)
            for column in columns
            for name in ("missing_increase", "psi", "chi_squared")
        ]
        numbers += [
            statistic("missing_rate", 0.0123, role="feature", column=column, kind="null")
            for column in columns
        ]
        notes.observe(window(1, minute, *numbers))
    size = len(json.dumps(_kept(notes), separators=(",", ":")))
    assert size < 16 * 50 * 80
