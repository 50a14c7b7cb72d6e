"""Every malformed message by its documented rule, through the real services."""

import tracemalloc
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadletters import malformed as make
from kedge import monitor, profiler
from kedge.contracts import Topics, UnreadableMessageError, decode, decode_predictions
from kedge.profile import KINDS, count_windows
from services import (
    PATIENCE,
    committed,
    eventually,
    plain_producer,
    produce,
    release_event,
    running,
)

DOCUMENTED = Path(__file__).parents[2] / "docs" / "dead-letters.md"


def _send(kafka, topic, messages):
    """Where each went: coordinates by index. In Kafka's own compression, as producers send."""
    client, places = plain_producer(kafka), {}
    for i, (value, key, headers) in enumerate(messages):

        def note(error, message, i=i):
            assert error is None, error
            places[i] = (message.topic(), message.partition(), message.offset())

        client.produce(topic, value, key, i % 2, headers=headers, on_delivery=note)
    assert client.flush(PATIENCE) == 0
    return [places[i] for i in range(len(messages))]


def _profiles(kafka, topics, model):
    records = [decode(value)[1] for value in committed(kafka, topics.profiles)]
    return [record for record in records if record["model"] == model]


def _counted(records, at):
    """How often each bin or kind of missing of one column was counted."""
    total = Counter()
    for record in records:
        column = record["columns"][at]
        total.update({i: n for i, n in enumerate(column["counts"]) if n})
        total.update({k: n for k, n in zip(KINDS, column["missing"], strict=True) if n})
    return total


def test_each_bad_message_is_one_letter_and_its_neighbours_are_counted_exactly(make_settings):
    # The neighbours are the same few again and again, and here that is no mistake.
    settings = make_settings(stream={"duplicate_horizon": 0})
    kafka, topics = settings.kafka, Topics(settings.topic_prefix)
    produce(kafka, topics.releases, [release_event("flights", 1, make.REFERENCE)], b"1")
    produce(kafka, topics.releases, [release_event("wide", 1, make.wide_reference())], b"2")
    bad, odd, wide = make.malformed(), list(make.odd().values()), make.wide()
    messages, cells = [], []
    for i, (value, *_) in enumerate(bad.values()):
        headers = [("trace", str(i).encode()), ("empty", None), ("trace", b"again")]
        messages.append((value, f"key {i}".encode(), headers))
        # A neighbour before and after it, of all the kinds that are valid.
        neighbour, rows = odd[i % len(odd)]
        messages.append((neighbour, None, None))
        cells += rows
    messages += [(value, None, None) for value in wide]
    # So that the window closes, for both models and in both partitions.
    later = {"event_time": make.START + 5 * make.WINDOW}
    messages += [(make.single(**later), None, None)] * 2
    messages += [(make.single(model="wide", **later), None, None)] * 2
    assert len(bad) >= len(odd)

    places = _send(kafka, topics.predictions, messages)
    with running(profiler.run, monitor.run, settings=settings):
        found = eventually(
            lambda: _published(kafka, topics),
            lambda rows: sum(rows.values()) >= len(cells) + len(wide),
        )
    assert found == {"flights": len(cells), "wide": len(wide)}

    letters = [decode(value, "dead_letter")[1] for value in committed(kafka, topics.deadletter)]
    by_place = {(x["topic"], x["partition"], x["offset"]): x for x in letters}
    assert len(by_place) == len(letters) == len(bad)
    for i, (name, (value, reason, rows, says)) in enumerate(bad.items()):
        letter = by_place[places[2 * i]]
        assert (letter["reason"], letter["rows"]) == (reason, rows), (name, letter["detail"])
        assert says in letter["detail"], name
        assert len(letter["detail"]) <= 1001, name
        assert letter["service"] == "profiler"
        assert letter["value"] == value, name
        assert letter["key"] == f"key {i}".encode()
        assert [(h["name"], h["value"]) for h in letter["headers"]] == messages[2 * i][2]

    first = [x for x in _profiles(kafka, topics, "flights") if x["window_start"] == make.START]
    assert sum(record["rows"] for record in first) == len(cells)
    assert _counted(first, 0) == Counter(x for x, _ in cells)
    assert _counted(first, 1) == Counter(c for _, c in cells)
    # The least of the reference's three values, in each of the 10,000 features.
    of_wide = [x for x in _profiles(kafka, topics, "wide") if x["window_start"] == make.START]
    assert all(_counted(of_wide, at) == Counter({1: len(wide)}) for at in range(make.WIDTH))


def _published(kafka, topics):
    """Rows of the first window in its newest revision, by model."""
    records = [_window(value) for value in committed(kafka, topics.statistics)]
    return {model: rows for _, model, rows, start in sorted(records) if start == make.START}


@cache
def _window(value):
    """A window of 10,000 features takes a second to decode, and is looked at again and again."""
    record = decode(value)[1]
    return record["revision"], record["model"], record["rows"], record["window_start"]


def test_every_reason_is_documented():
    documented = DOCUMENTED.read_text()
    reasons = {reason for _, reason, _, _ in make.malformed().values()}
    assert len(reasons) == 4
    assert all(f"`{reason}`" in documented for reason in reasons)


VALID = [
    make.single(),
    make.single(features={"x": [1.0, 2.0], "c": "AA", "y": True}, imputed=["z"], error="E"),
    *(make.odd()[name][0] for name in ("plain", "another type half-way", "vectors of two lengths")),
    make.batch(errors=[{"row": 1, "error": "E"}], latencies_ms=bytes(8), ids=bytes(range(32))),
]
mutations = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "repeat", "count"]),
        st.integers(0, 1 << 16),
        st.integers(0, 40),
        st.binary(min_size=1, max_size=6),
        st.sampled_from([-(2**62), -1, 0, 1, 2**31, make.BLOCK, 2**62]),
    ),
    min_size=1,
    max_size=4,
)


def _mutated(message, changes):
    data = bytearray(message)
    for what, at, length, content, count in changes:
        # The header stays: without it, nothing of the rest is looked at.
        start = 10 + at % max(1, len(data) - 10)
        if what == "set":
            data[start : start + len(content)] = content
        elif what == "insert":
            data[start:start] = content
        elif what == "delete":
            del data[start : start + length]
        elif what == "repeat":
            data[start:start] = data[start : start + length]
        else:
            data[start : start + 1] = make.varint(count)
    return bytes(data)


@given(st.sampled_from(VALID), mutations)
def test_a_mutated_message_is_counted_whole_or_unreadable(message, changes):
    try:
        predictions = decode_predictions(_mutated(message, changes))
    except UnreadableMessageError:
        return
    profiles = count_windows(predictions, make.REFERENCE, make.WINDOW).values()
    assert sum(profile.rows for profile in profiles) == predictions.rows
    for profile in profiles:
        for counts, missing in zip(profile.counts, profile.missing, strict=True):
            assert counts.sum() + missing.sum() == profile.rows


@pytest.mark.parametrize("bomb", ["columns", "errors", "a block of 2^40 columns"])
def test_what_a_message_takes_in_memory_is_bounded_by_its_length(bomb):
    start, count = make.batch_up_to_columns(), 20_000
    message = {
        "columns": start + make.varint(count) + make.EMPTY_COLUMN * count + bytes(3),
        "errors": start + b"\x00" + make.varint(count) + bytes(2 * count) + bytes(2),
        "a block of 2^40 columns": start + make.varint(make.BLOCK) + make.EMPTY_COLUMN * count,
    }[bomb]
    tracemalloc.start()
    try:
        decode_predictions(message)
    except UnreadableMessageError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 250 * len(message)
