"""The fold of accounts into windows, against a model that looks at single numbers."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.statistics import Conservation
from kedge.streams.audit import Audit
from kedge.streams.ledger import Served

WINDOW, GRACE, GIVEN_UP, IDLE = 100, 70, 700, 1000
HOUR = 3_600_000_000

accounts = st.fixed_dictionaries(
    {
        "pause": st.integers(0, 180),
        "release": st.integers(1, 2),
        "producer": st.sampled_from("pq"),
        "first": st.integers(0, 30),
        "rows": st.integers(0, 6),
        "dropped": st.integers(0, 3),
        "fate": st.sampled_from(["profiled", "duplicate", "dead_lettered"]),
        "late": st.sampled_from([0, 0, 2]),
        "killed": st.booleans(),
    }
)


def _audit(**changes):
    sizes = {
        "window": WINDOW,
        "grace": GRACE,
        "give_up_after": GIVEN_UP,
        "idle_after": IDLE,
        "most_producers": 10,
    }
    return Audit(**sizes | changes)


def _record(*, release=1, producer="p", first=0, rows=0, dropped=0, fate="profiled", late=0, **_):
    fates = dict.fromkeys(
        ("rows_profiled", "rows_duplicate", "rows_dead_lettered", "rows_late"), 0
    ) | {f"rows_{fate}": rows, "rows_late": late}
    return {
        "service": "profiler",
        "model": "m",
        "model_version": "mv",
        "code_version": f"cv{release}",
        "release": release,
        "environment": "e",
        "rows_received": rows,
        "producers": [
            {
                "id": producer,
                "kind": "predictions",
                "first_sequence": first,
                "next_sequence": first + rows,
                "dropped": dropped,
            }
        ],
        **fates,
    }


def _brute_force(timed):
    """What has to be published, number by number; `timed` is a list of times and accounts."""
    expected = []
    uneasy = set()
    last = timed[-1][0]
    for start in range(timed[0][0] // WINDOW * WINDOW, last // WINDOW * WINDOW, WINDOW):
        end = start + WINDOW
        counts = defaultdict(lambda: dict.fromkeys(Conservation.__dataclass_fields__, 0))
        arrived, shown, dropped = defaultdict(set), {}, defaultdict(int)
        for time, a in timed:
            if time >= end:
                break
            name, following = a["producer"], a["first"] + a["rows"]
            more = max(0, a["dropped"] - dropped[name])
            dropped[name] += more
            for number in range(following):
                # Whoever comes first above a number shows whether it is lacking.
                shown.setdefault((name, number), (time, a["release"]))
            arrived[name].update(range(a["first"], following))
            if start <= time:
                mine = counts[a["release"]]
                mine["received"] += a["rows"]
                mine["dropped"] += more
                mine["late"] += a["late"]
                if a["fate"] != "profiled":
                    mine[a["fate"]] += a["rows"]
        for (name, number), (since, release) in shown.items():
            waited = end - since
            if number not in arrived[name] and GRACE <= waited < GIVEN_UP:
                counts[release]["missing"] += 1
        for release in sorted(counts.keys() | uneasy):
            values = counts[release]
            if any(values.values()) or release in uneasy:
                expected.append((release, start, Conservation(**values)))
            lost = any(value for fate, value in values.items() if fate != "received")
            (uneasy.add if lost else uneasy.discard)(release)
    return expected


@given(st.lists(accounts, min_size=1, max_size=25))
def test_windows_are_those_of_the_numbers_wherever_the_process_is_killed(history):
    audit, kept, time, timed, published = _audit(), {}, 10_000, [], []
    for offset, each in enumerate(history):
        time += each["pause"]
        timed.append((time, each))
        published += audit.take(_record(**each), offset, time, 0)
        kept.update(audit.changes())
        if each["killed"]:
            audit = _audit()
            audit.restore(kept.items(), 0)
    assert all(window.end - window.start == WINDOW for window in published)
    assert all(window.code_version == f"cv{window.served.release}" for window in published)
    found = [(window.served.release, window.start, window.counts) for window in published]
    # A given-up number does not come back, so the model can be asked window by window.
    assert sorted(found, key=lambda w: (w[1], w[0])) == _brute_force(timed)
    sums = sum((window.counts for window in published), Conservation())
    closed = [a for t, a in timed if t // WINDOW < time // WINDOW]
    assert sums.received == sum(a["rows"] for a in closed)


@given(st.lists(accounts, min_size=1, max_size=15))
def test_what_is_over_leaves_no_state_but_the_producers(history):
    audit, kept, time = _audit(), {}, 0
    for offset, each in enumerate(history):
        time += each["pause"]
        audit.take(_record(**each), offset, time, 0)
        kept.update(audit.changes())
    audit.take(_record(), len(history), time + GIVEN_UP + 3 * WINDOW, 0)
    kept.update(audit.changes())
    left = {name for name, value in kept.items() if value is not None}
    producers = {each["producer"] for each in history} | {"p"}
    assert left == {
        b'["time"]',
        b'["release","m","e",1]',  # of the last account, whose window is open
        *(f'["producer","m","{name}"]'.encode() for name in producers),
    }
    assert all(b'"gaps":[]' in kept[f'["producer","m","{n}"]'.encode()] for n in producers)


def test_a_hole_is_told_when_it_has_stayed_and_its_end_too():
    audit = _audit()
    published = []
    for offset, (time, first) in enumerate([(0, 0), (40, 15), (110, 20), (210, 25), (310, 10)]):
        published += audit.take(_record(first=first, rows=5), offset, time, 0)
    published += audit.take(_record(first=30, rows=5), 5, 550, 0)
    missing = {window.start: window.counts.missing for window in published}
    # Numbers 5 to 14 are lacking from 40 on; 10 to 14 come at 310, 5 to 9 never.
    assert missing == {0: 0, 100: 10, 200: 10, 300: 5, 400: 5}


def test_a_hole_that_is_filled_within_the_grace_is_none():
    audit = _audit()
    published = []
    for offset, (time, first) in enumerate([(0, 0), (40, 10), (105, 5), (210, 15)]):
        published += audit.take(_record(first=first, rows=5), offset, time, 0)
    assert [window.counts.missing for window in published] == [0, 0]


def test_where_accounts_stop_the_clock_ends_the_windows_also_after_a_restart():
    audit, kept = _audit(), {}
    audit.take(_record(first=5, rows=5), 0, 20, now=HOUR)
    assert audit.quiet(HOUR + IDLE - 1) == []
    early = audit.quiet(HOUR + IDLE)
    kept.update(audit.changes())
    assert [(w.start, w.counts.missing) for w in early] == [
        (0, 5),
        *((start, 5) for start in range(100, 700, 100)),
        (700, 0),  # given up
    ]
    again = _audit()
    again.restore(kept.items(), HOUR + IDLE)
    assert again.quiet(HOUR + 3 * IDLE) == []


def test_an_account_after_its_window_has_ended_by_the_clock_is_in_the_next():
    audit = _audit()
    audit.take(_record(rows=1), 0, 20, now=0)
    assert [w.start for w in audit.quiet(IDLE)] == [0]
    audit.take(_record(first=1, rows=3), 1, 30, now=IDLE)
    (window,) = audit.take(_record(first=4, rows=1), 2, 5000, now=IDLE)
    assert (window.start, window.counts) == (1000, Conservation(received=3))


def test_a_producer_that_was_forgotten_or_never_known_is_asked_for_nothing_before():
    audit = _audit(most_producers=1)
    audit.take(_record(producer="p", rows=2, dropped=3), 0, 0, 0)
    audit.take(_record(producer="q", rows=2), 1, 0, 0)
    audit.take(_record(producer="p", first=10, rows=2, dropped=3), 2, 0, 0)
    (window,) = audit.take(_record(producer="p", first=12), 3, 170, 0)
    assert window.counts == Conservation(received=6, dropped=3)
    # The topic of accounts begins in the middle of this one's life.
    audit = _audit()
    audit.take(_record(first=10, rows=2, dropped=3), 55, 0, 0)
    (window,) = audit.take(_record(first=12), 56, 170, 0)
    assert window.counts == Conservation(received=2)


def test_gaps_of_a_producer_are_bounded_and_the_oldest_is_given_up():
    audit = _audit(grace=0)
    for number in range(150):
        audit.take(_record(first=10 * number + 5, rows=5), number, 0, 0)
    (window,) = audit.take(_record(first=1500), 150, WINDOW, 0)
    assert window.counts.missing == 100 * 5
    state = dict(audit.changes())[b'["producer","m","p"]']
    assert len(state) < 10_000


def test_a_report_of_drops_alone_tells_of_numbers_that_are_lacking():
    audit = _audit(grace=0)
    audit.take(_record(rows=5), 0, 0, 0)
    audit.take(_record(first=8, rows=0, dropped=4), 1, 10, 0)
    (window,) = audit.take(_record(first=8), 2, WINDOW, 0)
    assert window.served == Served("m", "e", 1)
    assert window.counts == Conservation(received=5, dropped=4, missing=3)


def test_messages_that_can_not_be_read_are_nobodys():
    audit = _audit()
    unreadable = _record() | {"model": "", "producers": [], "messages_unreadable": 1}
    audit.take(unreadable, 0, 0, 0)
    assert audit.take(unreadable, 1, 10 * WINDOW, 0) == []


def test_state_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="unknown kind"):
        _audit().restore([(b'["other"]', b"1")], 0)
