"""News by server-sent events: nothing is left out, wherever a listener is cut off."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.archive import connect
from kedge.web import news
from kedge.web.news import DATASETS, Position, as_events, since
from services import PATIENCE
from statistic_records import increase, window
from web.asking import API, archived, client, serving, web_settings
from web.records import alert

positions = st.builds(
    Position,
    st.dictionaries(
        st.tuples(st.sampled_from(DATASETS), st.integers(0, 10**9 - 1)), st.integers(0, 2**53)
    ),
)


@given(positions)
def test_a_position_is_read_as_it_was_written(position):
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["x", "alerts.0", "alerts.0=-1", "other.0=1", "alerts.0=1;"])
def test_what_is_no_position_is_refused(text):
    with pytest.raises(ValueError, match="no place in a topic"):
        Position.parse(text)


def test_an_event_is_as_the_standard_has_it():
    rows = [{"kafka_partition": 0, "kafka_offset": 7, "model": "a\nb"}]
    position = Position().after("alerts", rows)
    assert as_events([("alerts", rows)], position) == (
        b'event: alert\ndata: {"model":"a\\nb"}\n\nid: alerts.0=7\nevent: heard\ndata: {}\n\n'
    )


@pytest.fixture
def for_all(tmp_path):
    return web_settings(tmp_path, anonymous_reads=True)


def test_whoever_goes_on_where_it_was_hears_each_message_once(for_all, monkeypatch):
    monkeypatch.setattr(news, "MOST", 3)
    archived(for_all, "alerts", "alert", [alert(minute) for minute in range(8)])
    position, heard = Position(), []
    with connect(for_all.archive_url) as archive:
        while True:
            query, values = since("alerts", Position.parse(str(position)))
            found = archive.sql(query, params=values).to_arrow_table().to_pylist()
            if not found:
                break
            heard += [row["kafka_offset"] for row in found]
            position = position.after("alerts", found)
    assert heard == list(range(8))


def listen(asking, wanted, before=lambda: None, **headers):
    """Events until there are as many as wanted, and the last id."""
    events, heard = [], None
    ends = time.monotonic() + PATIENCE
    with asking.stream("GET", f"{API}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        kind = None
        for line in answer.iter_lines():
            assert time.monotonic() < ends, f"heard {events}"
            name, _, said = line.partition(": ")
            if name == "id":
                heard = said
                before()
            elif name == "event":
                kind = said
            elif name == "data" and kind != "heard":
                events.append((kind, json.loads(said)))
            elif not line and len(events) >= wanted and kind == "heard":
                return events, heard
    return events, heard


def test_news_is_told_as_it_is_archived_and_again_after_a_break(for_all):
    archived(for_all, "alerts", "alert", [alert(0)])
    with serving(for_all), client(for_all) as asking:
        once = iter([True])

        def happen():
            if next(once, False):
                archived(for_all, "alerts", "alert", [alert(1, incident="new")], first=1)
                archived(
                    for_all,
                    "statistics",
                    "statistic",
                    [window(1, 0, increase(0.5), increase(None))],
                )

        events, heard = listen(asking, 2, happen)
        assert sorted(kind for kind, _ in events) == ["alert", "window"]
        said = dict(events)
        assert said["alert"]["incident"] == "new"
        assert said["window"]["window_end"] == "1970-01-01T00:01:00Z"
        archived(for_all, "alerts", "alert", [alert(2, incident="missed")], first=2)
        events, _ = listen(asking, 1, **{"Last-Event-ID": heard})
        assert [data["incident"] for _, data in events] == ["missed"]
        answer = asking.get(f"{API}/events", headers={"Last-Event-ID": "nonsense"})
        assert answer.status_code == 422


def test_who_may_not_read_may_not_listen(stranger):
    assert stranger.get(f"{API}/events").status_code == 401
