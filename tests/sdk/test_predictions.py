import datetime as dt
import math
import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arrivals import RELEASE, canonical, rows_of, until
from kedge import LiveRelease
from kedge.contracts import Tags

TAGS = Tags("flights", "model-a", "code-b", 3, "test")

values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20).filter(lambda text: text.encode("utf-8", "ignore").decode() == text),
    st.lists(st.floats(allow_nan=False), max_size=4),
)
records = st.dictionaries(st.text("abcdeä", min_size=1, max_size=3), values, max_size=6)
logged_once = st.fixed_dictionaries(
    {
        "features": records,
        "output": st.one_of(values, records),
        "imputed": st.lists(st.sampled_from(["a", "b", "filled"]), unique=True, max_size=2),
        "event_time": st.integers(-(2**62), 2**62),
        "latency_ms": st.one_of(st.none(), st.floats(0, 1e6, width=32)),
        "error": st.one_of(st.none(), st.just(ZeroDivisionError("x"))),
    }
)


def expected(call):
    """What has to arrive of one call, from the words of schemas/prediction.avsc."""
    features = {name: canonical(value) for name, value in call["features"].items()}
    output = call["output"]
    outputs = output if isinstance(output, dict) else {"output": output}
    latency = call["latency_ms"]
    return {
        "features": features,
        "imputed": set(call["imputed"]),
        "outputs": {}
        if call["error"]
        else {name: canonical(value) for name, value in outputs.items()},
        "error": "ZeroDivisionError" if call["error"] else None,
        "event_time": call["event_time"],
        "latency_ms": latency,
        "tags": TAGS,
    }


def assert_same(row, call):
    want = expected(call)
    if math.isnan(row["latency_ms"]):
        row = row | {"latency_ms": None}
    # Of an imputed feature the mark is what counts: whether it was null before is not kept.
    for name in want["imputed"]:
        want["features"].pop(name, None)
        row["features"].pop(name, None)
    assert row == want


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(calls=st.lists(logged_once, max_size=12))
def test_what_is_logged_arrives(log, predictions, calls):
    ids = [log.prediction(**call) for call in calls]
    assert log.flush(30)
    rows = predictions.rows()
    assert len(set(ids)) == len(calls)
    for name, call in zip(ids, calls, strict=True):
        assert_same(rows[name], call)


def test_counts_agree_with_what_arrived(log, predictions):
    for number in range(1234):
        log.prediction({"x": number}, 0.5)
    assert log.flush(30)
    assert len(predictions.rows()) == 1234
    counts = log.counts
    assert (counts.accepted, counts.delivered, counts.pending) == (1234, 1234, 0)
    assert counts.dropped == 0


def test_later_changes_by_the_caller_do_no_harm(make_logger, predictions):
    log = make_logger(linger=0.5)
    features, output, probabilities = {"x": 1.0}, {"p": 0.5}, np.array([0.25, 0.75])
    one = log.prediction(features, output)
    two = log.prediction(features, probabilities)
    features["x"] = features["y"] = output["p"] = 9.0
    probabilities[:] = 9.0
    assert log.flush(30)
    rows = predictions.rows()
    assert rows[one]["features"] == rows[two]["features"] == {"x": canonical(1.0)}
    assert rows[one]["outputs"] == {"p": canonical(0.5)}
    assert rows[two]["outputs"] == {"output": canonical([0.25, 0.75])}


@pytest.mark.parametrize(
    ("given_time", "microseconds"),
    [
        (1_700_000_000_123_456, 1_700_000_000_123_456),
        (dt.datetime(2013, 1, 1, 5, 15, 0, 7), 1_357_017_300_000_007),  # noqa: DTZ001 - the case
        (dt.datetime(2013, 1, 1, 5, 15, tzinfo=dt.UTC), 1_357_017_300_000_000),
        (
            dt.datetime(2013, 1, 1, 5, 15, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
            1_357_035_300_000_000,
        ),
        (np.datetime64("2013-01-01T05:15"), 1_357_017_300_000_000),
        (np.int64(5), 5),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 999_999), -1),  # noqa: DTZ001 - the case
    ],
)
def test_event_times(log, predictions, given_time, microseconds):
    name = log.prediction({}, 1, event_time=given_time)
    several = log.batch({"x": [1]}, [1], event_times=[given_time])
    assert log.flush(30)
    rows = predictions.rows()
    assert rows[name]["event_time"] == rows[several[0]]["event_time"] == microseconds


@pytest.mark.parametrize(
    "given_time", [1.7e9, "2013-01-01", True, 2**63, np.datetime64("NaT"), object()]
)
def test_what_is_no_time_is_refused(log, given_time):
    log.prediction({}, 1, event_time=given_time)
    log.batch({"x": [1]}, [1], event_times=[given_time])
    log.outcome("a", 1, known_at=given_time)
    assert log.flush(30)
    assert (log.counts.invalid, log.counts.accepted) == (3, 0)


def test_now_is_the_event_time_unless_it_is_given(log, predictions):
    before = time.time_ns() // 1000
    name = log.prediction({}, 1)
    after = time.time_ns() // 1000
    assert log.flush(30)
    assert before <= predictions.rows()[name]["event_time"] <= after


@pytest.mark.parametrize(
    ("given_id", "kept"),
    [
        ("order 17", "order 17"),
        (17, "17"),
        ("ü" * 2000, "ü" * 1024),
        ("\udcff", "?"),
        (b"x", "<bytes>"),
    ],
)
def test_ids_arrive_as_they_were_returned(log, predictions, given_id, kept):
    assert log.prediction({}, 1, id=given_id) == kept
    assert log.flush(30)
    assert set(predictions.rows()) == {kept}


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_prediction_without_a_name_gets_one(log, predictions, nothing):
    made = [log.prediction({}, 1, id=nothing), *log.batch({"x": [1]}, [1], ids=[nothing])]
    assert log.flush(30)
    assert set(predictions.rows()) == set(made)
    assert all(len(name) == 36 for name in made)


def test_releases_are_kept_apart(log, predictions):
    canary = LiveRelease("flights", 4, "model-a", "code-c")
    by_release = {RELEASE: set(), canary: set()}
    for number in range(100):
        release = canary if number % 3 == 0 else RELEASE
        by_release[release].add(log.prediction({"x": number}, 1, release=release))
        by_release[release] |= set(log.batch({"x": [number]}, [1], release=release))
    assert log.flush(30)
    rows = predictions.rows()
    for release, names in by_release.items():
        assert {name for name, row in rows.items() if row["tags"] == release.tags("test")} == names


def test_threads_share_a_logger(make_logger, predictions):
    log = make_logger()
    made = [[] for _ in range(8)]
    together = threading.Barrier(8)

    def work(mine):
        together.wait()
        for number in range(500):
            mine.append(log.prediction({"x": number}, number))
            if number % 50 == 0:
                mine.extend(log.batch({"x": np.arange(10)}, np.zeros(10)))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(60)
    names = [name for mine in made for name in mine]
    assert len(set(names)) == len(names) == 8 * 600
    assert set(predictions.rows()) == set(names)
    assert log.counts.delivered == 8 * 600


def test_each_topic_is_numbered_without_gaps_and_says_what_was_dropped(
    make_logger, arrived, topics
):
    log = make_logger(batch_rows=7)
    predictions, outcome_reader = arrived(topics.predictions), arrived(topics.outcomes)
    for number in range(100):
        log.prediction({"x": number}, 1, event_time=2**63 if number % 10 == 0 else None)
        log.outcome(str(number), number)
    log.batch({"x": np.arange(30)}, np.zeros(30))
    assert log.flush(30)
    sequences = sorted(
        (batch.producer.sequence, batch.rows, batch.producer.dropped, batch.producer.id)
        for batch in predictions.batches()
    )
    outcomes = sorted(
        (record["producer"]["sequence"], record["producer"]["id"])
        for record in outcome_reader.outcomes()
    )
    following = 0
    for sequence, rows, _, _ in sequences:
        assert sequence == following
        following += rows
    assert following == 120
    assert [dropped for _, _, dropped, _ in sequences] == sorted(d for _, _, d, _ in sequences)
    assert sequences[-1][2] == 10
    assert [sequence for sequence, _ in outcomes] == list(range(100))
    assert len({name for *_, name in sequences}) == len({name for _, name in outcomes}) == 1
    assert sequences[0][-1] != outcomes[0][-1]


def test_large_events_are_split_and_one_too_large_costs_no_other(make_logger, predictions):
    log = make_logger(linger=0.3)
    kept = [log.prediction({"v": np.full(2000, number)}, number) for number in range(200)]
    lost = log.prediction({"v": np.zeros(200_000)}, 0)
    kept += [log.prediction({f"{number} {n}": 1.0 for n in range(300)}, 0) for number in range(50)]
    kept += log.batch({"v": np.zeros((500, 1000))}, np.zeros(500))
    assert log.flush(60)
    rows = predictions.rows()
    assert set(rows) == set(kept)
    assert lost not in rows
    assert (log.counts.oversized, log.counts.delivered) == (1, len(kept))
    assert max(len(message.value()) for message in predictions.messages) < 1_000_000
    for number, name in enumerate(kept[:200]):
        assert rows[name]["features"]["v"] == canonical([number] * 2000)


def test_flush_waits_for_nothing_when_nothing_was_logged(log):
    assert log.flush(0)
    log.prediction({}, 1)
    assert log.flush(30)
    assert log.flush(30)


def test_after_close_everything_is_refused(log, predictions):
    kept = log.prediction({}, 1)
    assert log.close(30)
    log.prediction({}, 1)
    log.batch({"x": [1, 2]}, [1, 2])
    log.outcome("a", 1)
    assert log.close(30)
    assert log.flush(1)
    assert set(predictions.rows()) == {kept}
    assert (log.counts.closed, log.counts.delivered) == (4, 1)


def test_the_context_manager_sends_what_is_queued(make_logger, predictions):
    with make_logger() as log:
        name = log.prediction({}, 1)
    assert set(predictions.rows()) == {name}


def test_a_logger_that_was_idle_sends_at_once(log, predictions):
    one = log.prediction({}, 1)
    until(lambda: one in predictions.rows())
    until(lambda: log._sender.asleep)
    two = log.prediction({}, 1)
    until(lambda: two in predictions.rows())
    assert rows_of(predictions.batches()[-1]).keys() == {two}
