"""The fold of deltas into windows, against a model that looks at everything from the start."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.profile import Profile
from kedge.streams.windows import WindowKey, Windows

LENGTH = 100
LATENESS = 150
IDLE = 1000

deltas = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["flights", "fraud"]),
        "environment": st.sampled_from(["production", "staging"]),
        "release": st.integers(1, 2),
        "partition": st.integers(0, 2),
        "time": st.integers(0, 900),
        "arrival": st.integers(0, 900),
        "rows": st.integers(1, 5),
    }
)


def _steady(steps):
    """Event time goes on in one stream, with events that are late; far enough to forget some."""
    now = 0
    for pause, late, killed in steps:
        now += pause
        yield [_one(max(0, now - late)), _one(now)], killed


# Micro-batches; after some of them the process is killed and its state restored.
histories = st.one_of(
    st.lists(st.tuples(st.lists(deltas, max_size=4), st.booleans()), max_size=10),
    st.lists(
        st.tuples(st.integers(0, 150), st.integers(0, 250), st.booleans()),
        min_size=8,
        max_size=25,
    ).map(lambda steps: list(_steady(steps))),
)
# Lengths of longer windows and how often one ends.
longer_ones = st.sampled_from(
    [((), LENGTH), ((200, 500), LENGTH), ((400,), 200), ((300, 600), 300)]
)


def _windows(longer=(), slide=LENGTH):
    return Windows(
        empty=lambda _key: _profile(0),
        out_of_orderness=10,
        allowed_lateness=LATENESS,
        idle_after=IDLE,
        longer=longer,
        slide=slide,
    )


def _record(delta):
    start = delta["time"] // LENGTH * LENGTH
    return {
        **{key: delta[key] for key in ("model", "environment", "release")},
        "model_version": "mv",
        "code_version": "cv",
        "window_start": start,
        "window_end": start + LENGTH,
        "source": {
            "partition": delta["partition"],
            "max_event_time": delta["time"],
            "max_arrival": delta["arrival"],
        },
    }


def _profile(rows):
    counts = np.array([rows, 0])
    return Profile(rows, 0, (counts,), np.zeros((1, 8), np.int64), (counts * 3,))


def _add(windows, delta, now=0):
    return windows.add(_record(delta), _profile(delta["rows"]), now)


class _Model:
    """What has to be published, from the whole history each time."""

    def __init__(self, longer=(), slide=LENGTH):
        # Of each length the step between the windows' ends.
        self.steps = {LENGTH: LENGTH} | dict.fromkeys(longer, slide)
        self.taken, self.watermarks, self.published = [], {}, {}

    def batch(self, batch):
        refused = []
        for delta in batch:
            stream = delta["model"], delta["environment"]
            end = delta["time"] // LENGTH * LENGTH + LENGTH
            if end + LATENESS <= self.watermarks.get(stream, -(10**9)):
                refused.append(delta)
            else:
                self.taken.append(delta)
        for stream in {(d["model"], d["environment"]) for d in self.taken}:
            newest = {}
            for d in self.taken:
                if (d["model"], d["environment"]) == stream:
                    # A clock that is ahead does not count.
                    time = min(d["time"], d["arrival"])
                    newest[d["partition"]] = max(newest.get(d["partition"], 0), time)
            known = self.watermarks.get(stream, -(10**9))
            self.watermarks[stream] = max(known, min(newest.values()) - 10)
        news = {}
        for key, rows in self.totals().items():
            before, revision = self.published.get(key, (0, -1))
            if rows != before:
                news[key] = self.published[key] = (rows, revision + 1)
        return refused, news

    def totals(self):
        """Rows of every closed window that has any, by key and end."""
        totals = {}
        for d in self.taken:
            stream = d["model"], d["environment"]
            for length, step in self.steps.items():
                for end in range(-600, self.watermarks[stream] + 1, step):
                    if end - length <= d["time"] < end:
                        key = WindowKey(*stream, end - length, d["release"]), end
                        totals[key] = totals.get(key, 0) + d["rows"]
        return totals


def _rows(published):
    return {(key, window.end): (window.profile.rows, window.revision) for key, window in published}


@given(histories, longer_ones)
def test_windows_are_published_as_the_model_says_wherever_the_process_is_killed(history, longer):
    windows, model, kept = _windows(*longer), _Model(*longer), {}
    for batch, killed in history:
        refused, news = model.batch(batch)
        assert [delta for delta in batch if not _add(windows, delta)] == refused
        published = list(windows.close(0))
        assert len(published) == len(news)
        assert _rows(published) == news
        by_stream = {}
        for key, window in published:
            by_stream.setdefault(key.stream, []).append((window.end, window.end - key.start))
        assert all(order == sorted(order) for order in by_stream.values())
        kept.update(windows.changes())
        if killed:
            windows = _windows(*longer)
            windows.restore(kept.items(), 0)


@given(histories, st.data())
def test_new_lengths_in_the_settings_make_no_window_that_lacks_something(history, data):
    windows, model, kept = _windows(), _Model(), {}
    for batch, killed in history:
        for delta in batch:
            _add(windows, delta)
        published = _rows(windows.close(0))
        model.batch(batch)
        totals = model.totals()
        assert {where: rows for where, (rows, _) in published.items()} == {
            where: totals[where] for where in published
        }
        kept.update(windows.changes())
        if killed:
            longer = data.draw(longer_ones)
            windows, model.steps = _windows(*longer), _Model(*longer).steps
            windows.restore(kept.items(), 0)


@given(histories, longer_ones)
def test_what_can_get_nothing_more_is_forgotten_in_the_state_too(history, longer):
    windows, kept = _windows(*longer), {}
    for batch, _ in history:
        for delta in batch:
            _add(windows, delta)
        list(windows.close(0))
        kept.update(windows.changes())
    progress = {
        tuple(json.loads(key)[1:]): json.loads(value)["watermark"]
        for key, value in kept.items()
        if key.startswith(b'["progress"')
    }
    longest = max(longer[0], default=0)
    for key, value in kept.items():
        kind, model, environment, *rest = json.loads(key)
        if value is None or kind == "progress":
            continue
        final = progress[model, environment] - LATENESS
        if kind == "window":
            assert rest[0] + max(longest, LENGTH) > final
        else:
            assert rest[0] > final


def _one(time, partition=0, arrival=None):
    return {
        "model": "m",
        "environment": "e",
        "release": 1,
        "partition": partition,
        "time": time,
        "arrival": time if arrival is None else arrival,
        "rows": 1,
    }


def test_an_idle_partition_holds_nothing_back():
    windows = _windows()
    _add(windows, _one(50, partition=0), now=0)
    _add(windows, _one(250, partition=1), now=0)
    assert list(windows.close(IDLE)) == []
    _add(windows, _one(260, partition=1), now=IDLE)
    assert [key.start for key, _ in windows.close(IDLE + 1)] == [0]


def test_a_quiet_stream_publishes_its_last_window_at_the_pace_of_the_clock():
    windows = _windows()
    _add(windows, _one(150), now=0)
    # The window ends at 200; event time is at 150 - 10 and goes on with the clock.
    assert list(windows.close(IDLE)) == []
    assert [key.start for key, _ in windows.close(IDLE + 60)] == [100]


def test_state_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown kind"):
        _windows().restore([(b'["other"]', b"1")], 0)


# Clocks. What arrives is in the order of arrival; the clock of this process is that of the broker.

producers = st.tuples(
    st.integers(0, 60),  # until the next arrival
    st.integers(0, 2),  # partition
    st.one_of(st.none(), st.integers(-(10**6), 1000)),  # of a wrong clock: how far it is ahead
    st.integers(0, LATENESS),  # of an honest one: how long the event was on its way
)


@given(st.lists(producers, max_size=40), st.booleans())
def test_no_wrong_clock_makes_an_honest_event_too_late(arrivals, idle):
    windows, now = _windows((500,)), 0
    for pause, partition, ahead, delay in arrivals:
        now += pause + (IDLE if idle else 0)
        event_time = now - delay if ahead is None else now + ahead
        taken = _add(windows, _one(event_time, partition, arrival=now), now=now)
        assert taken or ahead is not None
        # No window is published before its end has come.
        assert all(window.end <= now for _, window in windows.close(now))


ancient = st.tuples(st.integers(0, 2), st.integers(-(10**9), -LATENESS - LENGTH))


@given(st.lists(st.tuples(st.integers(0, 60), st.lists(ancient, max_size=3)), max_size=30))
def test_a_clock_far_behind_stalls_no_stream_that_has_begun(steps):
    honest, disturbed, now = _windows((500,)), _windows((500,)), 1000
    for windows in (honest, disturbed):
        _add(windows, _one(now), now=now)
        list(windows.close(now))
    for pause, wrong in steps:
        now += pause
        for partition, behind in wrong:
            late = _one(1000 + behind, partition, arrival=now)
            assert not _add(disturbed, late, now=now)
        for windows in (honest, disturbed):
            _add(windows, _one(now), now=now)
        assert _rows(disturbed.close(now)) == _rows(honest.close(now))


def test_an_event_from_the_future_waits_for_its_window():
    windows = _windows()
    assert _add(windows, _one(50))
    assert _add(windows, _one(950, arrival=60))
    assert list(windows.close(0)) == []
    assert _add(windows, _one(120))
    assert [key.start for key, _ in windows.close(0)] == [0]
    assert _add(windows, _one(1020))
    assert [key.start for key, _ in windows.close(0)] == [100, 900]


# Partitions that come late.


def test_a_partition_that_is_seen_for_the_first_time_only_revises():
    windows = _windows((200,))
    _add(windows, _one(110, partition=0))
    _add(windows, _one(215, partition=0))
    # Nobody knows of partition 1 yet, so nobody waits for it.
    first = _rows(windows.close(0))
    assert first == {
        (WindowKey("m", "e", 0, 1), 200): (1, 0),
        (WindowKey("m", "e", 100, 1), 200): (1, 0),
    }
    for time in (20, 120, 130, 230):
        assert _add(windows, _one(time, partition=1, arrival=1000))
    assert _rows(windows.close(0)) == {
        (WindowKey("m", "e", 0, 1), 100): (1, 0),
        (WindowKey("m", "e", -100, 1), 100): (1, 0),
        (WindowKey("m", "e", 0, 1), 200): (4, 1),
        (WindowKey("m", "e", 100, 1), 200): (3, 1),
    }


@given(
    st.lists(st.integers(0, 899), min_size=1, max_size=20),
    st.lists(st.integers(0, 899), max_size=20),
)
def test_a_backlog_within_the_lateness_loses_nothing(ahead, backlog):
    """Partition 0 is read whole before partition 1."""
    windows = Windows(
        empty=lambda _key: _profile(0),
        out_of_orderness=0,
        allowed_lateness=900,
        idle_after=IDLE,
        longer=(300,),
        slide=LENGTH,
    )
    newest, told = {}, {}
    for partition, times in enumerate((sorted(ahead), sorted(backlog))):
        for time in times:
            assert _add(windows, _one(time, partition, arrival=1000))
            for where, (rows, revision) in _rows(windows.close(0)).items():
                assert revision == told.get(where, -1) + 1
                newest[where], told[where] = rows, revision
    for where, (rows, _) in _rows(windows.close(10_000)).items():
        newest[where] = rows
    for (key, end), rows in newest.items():
        assert rows == sum(key.start <= time < end for time in ahead + backlog)
    base = [rows for (key, end), rows in newest.items() if end - key.start == LENGTH]
    assert sum(base) == len(ahead) + len(backlog)


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(1, 2), st.booleans()), max_size=25))
def test_the_past_of_a_window_is_that_of_its_release_wherever_the_process_is_killed(history):
    def made():
        return Windows(
            empty=lambda _key: _profile(0),
            out_of_orderness=10,
            allowed_lateness=LATENESS,
            idle_after=IDLE,
            longer=(200,),
            slide=LENGTH,
            history=3 * LENGTH,
        )

    windows, kept, time, raw = made(), {}, 1000, []
    for pause, release, killed in history:
        time += pause
        raw.append((time, release))
        delta = {"model": "m", "environment": "e", "release": release, "partition": 0}
        assert _add(windows, {**delta, "time": time, "arrival": time, "rows": 1})
        for key, window in windows.close(0):
            longer = window.end - key.start > LENGTH
            first = key.start if longer else key.start - 3 * LENGTH
            expected = Counter(
                when // LENGTH * LENGTH
                for when, by in raw
                if by == key.release and first <= when < window.end
            )
            past = windows.past(key, window)
            assert [(each.start, each.profile.rows) for each in past] == sorted(expected.items())
        kept.update(windows.changes())
        if killed:
            windows = made()
            windows.restore(kept.items(), 0)
