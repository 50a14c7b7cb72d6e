"""Windows without rows, and what windows are told of the traffic, against the raw events."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kedge.profile import Profile
from kedge.streams.windows import Windows

LENGTH, LATENESS, IDLE, SILENCE, HISTORY = 100, 150, 1000, 400, 500


def _profile(rows):
    sums = (np.zeros(2, np.int64),)
    return Profile(rows, 0, (np.array([rows, 0]),), np.zeros((1, 8), np.int64), sums)


def _windows(silence=SILENCE, longer=()):
    return Windows(
        out_of_orderness=0,
        allowed_lateness=LATENESS,
        idle_after=IDLE,
        longer=longer,
        slide=LENGTH,
        silence=silence,
        history=HISTORY,
        empty=lambda _key: _profile(0),
    )


def _add(windows, time, release=1, rows=1, now=0):
    start = time // LENGTH * LENGTH
    delta = {
        "model": "m",
        "environment": "e",
        "release": release,
        "model_version": "mv",
        "code_version": f"cv{release}",
        "window_start": start,
        "window_end": start + LENGTH,
        "source": {"partition": 0, "max_event_time": time, "max_arrival": time},
    }
    return windows.add(delta, _profile(rows), now)


def _told(windows, now=0):
    return [
        (key.start, key.release, window.profile.rows, window.revision)
        for key, window in windows.close(now)
    ]


def _expected(events):
    """Start, release, rows and traffic of every window to publish, in order of their starts."""
    last, told, totals = events[0][0] // LENGTH, [], {}
    for number in range(last, events[-1][0] // LENGTH):
        rows = {}
        for time, release, count in events:
            if time // LENGTH == number:
                rows[release] = rows.get(release, 0) + count
        if rows:
            last, serving = number, sorted(rows)
        elif (number - last) * LENGTH > SILENCE:
            continue
        before = tuple(total for n, total in totals.items() if (number - n) * LENGTH <= HISTORY)
        totals[number] = sum(rows.values())
        told += [
            (number * LENGTH, release, rows.get(release, 0), totals[number], before)
            for release in serving
        ]
    return told


events = st.tuples(
    st.one_of(st.integers(0, 80), st.integers(0, 900)),
    st.integers(1, 2),
    st.integers(1, 5),
    st.booleans(),
)


@given(st.lists(events, min_size=2, max_size=25))
def test_windows_without_rows_are_told_of_who_served_last_wherever_it_is_killed(history):
    windows, kept, time, raw, told = _windows(), {}, 5000, [], []
    for pause, release, rows, killed in history:
        time += pause
        raw.append((time, release, rows))
        assert _add(windows, time, release, rows)
        for key, window in windows.close(0):
            assert (window.revision, window.code_version) == (0, f"cv{key.release}")
            traffic = windows.traffic(key, window)
            told.append((key.start, key.release, window.profile.rows, traffic.rows, traffic.before))
        kept.update(windows.changes())
        if killed:
            windows = _windows()
            windows.restore(kept.items(), 0)
    assert told == _expected(raw)


def test_when_all_traffic_stops_empty_windows_come_at_the_pace_of_the_clock():
    windows, kept = _windows(), {}
    _add(windows, 150, now=0)
    told = _told(windows, now=IDLE)
    assert told == []
    told += _told(windows, now=IDLE + 1)
    # Event time has gone on from 150 to 1150; silence is told for 400.
    assert told == [(100, 1, 1, 0), *((start, 1, 0, 0) for start in (200, 300, 400, 500))]
    kept.update(windows.changes())
    again = _windows()
    again.restore(kept.items(), 0)
    assert _told(again, now=10 * IDLE) == []


def test_a_restart_in_the_silence_does_not_set_event_time_back():
    windows, kept = _windows(5 * IDLE), {}
    _add(windows, 150, now=0)
    first = _told(windows, now=2 * IDLE)
    kept.update(windows.changes())
    again = _windows(5 * IDLE)
    again.restore(kept.items(), 50 * IDLE)
    assert _told(again, now=50 * IDLE) == []
    second = _told(again, now=51 * IDLE + 1)
    starts = [start for start, *_ in first + second]
    # It was at 2150, and goes on from there.
    assert starts == list(range(100, 3100, 100))


def test_an_event_that_comes_late_into_a_silent_window_revises_it():
    windows = _windows()
    _add(windows, 50)
    _add(windows, 350)
    assert _told(windows) == [(0, 1, 1, 0), (100, 1, 0, 0), (200, 1, 0, 0)]
    assert _add(windows, 250, rows=3)
    assert _told(windows) == [(200, 1, 3, 1)]


def test_a_release_that_lost_its_traffic_is_not_silent():
    windows = _windows()
    for time in range(50, 300, 100):
        _add(windows, time, release=1)
    for time in range(350, 600, 100):
        _add(windows, time, release=2)
    assert {(start, release): rows for start, release, rows, _ in _told(windows)} == {
        **{(start, 1): 1 for start in (0, 100, 200)},
        **{(start, 2): 1 for start in (300, 400)},
    }


def test_silence_is_told_by_base_windows_only():
    windows = _windows(longer=(300,))
    _add(windows, 50)
    _add(windows, 1950)
    longer = {
        key.start: (window.profile.rows, windows.traffic(key, window).before)
        for key, window in windows.close(0)
        if window.end - key.start == 300
    }
    assert longer == {-200: (1, None), -100: (1, None), 0: (1, None)}


@given(st.lists(events, min_size=2, max_size=25))
def test_of_silence_little_is_remembered(history):
    windows, kept, time = _windows(), {}, 5000
    for pause, release, rows, _ in history:
        time += pause
        _add(windows, time, release, rows)
        list(windows.close(0))
        kept.update(windows.changes())
    told = json.loads(kept.get(b'["silence","m","e"]', b'{"told":[]}'))["told"]
    assert all(start + HISTORY > time - LATENESS for start, _, _ in told)
