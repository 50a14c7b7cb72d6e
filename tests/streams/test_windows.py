"""The fold of deltas into windows, against a model that looks at everything from the start."""

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
        "rows": st.integers(1, 5),
    }
)
# Micro-batches; after some of them the process is killed and its state restored.
histories = st.lists(st.tuples(st.lists(deltas, max_size=4), st.booleans()), max_size=10)


def _windows():
    return Windows(out_of_orderness=10, allowed_lateness=LATENESS, idle_after=IDLE)


def _record(delta):
    start = delta["time"] // LENGTH * LENGTH
    return {
        **{key: delta[key] for key in ("model", "environment", "release")},
        "model_version": "mv",
        "code_version": "cv",
        "window_start": start,
        "window_end": start + LENGTH,
        "source": {"partition": delta["partition"], "max_event_time": delta["time"]},
    }


def _profile(rows):
    return Profile(rows, 0, (np.array([rows, 0]),), np.zeros((1, 8), np.int64))


def _add(windows, delta, now=0):
    return windows.add(_record(delta), _profile(delta["rows"]), now)


class _Model:
    """What has to be published, from the whole history each time."""

    def __init__(self):
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
                    newest[d["partition"]] = max(newest.get(d["partition"], 0), d["time"])
            known = self.watermarks.get(stream, -(10**9))
            self.watermarks[stream] = max(known, min(newest.values()) - 10)
        totals = {}
        for d in self.taken:
            stream = d["model"], d["environment"]
            start = d["time"] // LENGTH * LENGTH
            key = WindowKey(*stream, start, d["release"])
            if start + LENGTH <= self.watermarks[stream]:
                totals[key] = totals.get(key, 0) + d["rows"]
        news = {}
        for key, rows in totals.items():
            before, revision = self.published.get(key, (0, -1))
            if rows != before:
                news[key] = self.published[key] = (rows, revision + 1)
        return refused, news


@given(histories)
def test_windows_are_published_as_the_model_says_wherever_the_process_is_killed(history):
    windows, model, kept = _windows(), _Model(), {}
    for batch, killed in history:
        refused, news = model.batch(batch)
        assert [delta for delta in batch if not _add(windows, delta)] == refused
        published = {k: (w.profile.rows, w.revision) for k, w in windows.close(0)}
        assert published == news
        kept.update(windows.changes())
        if killed:
            windows = _windows()
            windows.restore(kept.items(), 0)


@given(histories)
def test_what_can_get_nothing_more_is_forgotten_in_the_state_too(history):
    windows, kept = _windows(), {}
    for batch, _ in history:
        for delta in batch:
            _add(windows, delta)
        list(windows.close(0))
        kept.update(windows.changes())
    there = [value for key, value in kept.items() if key.startswith(b'["window"') and value]
    streams = {(d["model"], d["environment"]) for batch, _ in history for d in batch}
    # A stream holds at most the windows between its watermark less the lateness and its newest.
    assert len(there) <= len(streams) * 2 * 10


def _one(time, partition=0):
    return {
        "model": "m",
        "environment": "e",
        "release": 1,
        "partition": partition,
        "time": time,
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
