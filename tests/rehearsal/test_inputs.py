"""Inputs from both forms of a prediction on the wire, and from the end of a real topic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import (
    PredictionBatch,
    Tags,
    Topics,
    columns_of,
    decode_predictions,
    encode,
    encode_batch,
)
from kedge.rehearsal.inputs import Input, newest_inputs
from kedge.rehearsal.tail import Logger, last_inputs
from services import PATIENCE, plain_producer, produce

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False, width=32),
    st.text(max_size=5),
    st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
)
INPUTS = st.lists(st.dictionaries(st.sampled_from("abc"), VALUES), min_size=1, max_size=6)


def _batch(rows, *, release=2, start=0, environment="production", imputed=()):
    return PredictionBatch(
        tags=Tags("m", "mv", "cv", release, environment),
        ids=[f"{release}-{start + n}" for n in range(len(rows))],
        event_times=np.arange(start, start + len(rows), dtype=np.int64),
        latencies_ms=np.full(len(rows), np.nan, np.float32),
        columns=(
            *columns_of(rows, "feature", imputed),
            *columns_of([{"output": 1.0}] * len(rows), "output"),
        ),
    )


@given(INPUTS)
def test_a_batch_gives_back_the_features_that_were_logged(rows):
    batch = decode_predictions(encode_batch(_batch(rows)))
    assert [each.features for each in newest_inputs(batch, 100)] == rows
    assert [each.features for each in newest_inputs(batch, 2)] == rows[-2:]


def test_what_was_filled_in_is_marked_and_kept():
    rows = [{"x": 1.0, "city": "Rome"}, {"x": 0.0, "city": "Oslo"}]
    batch = decode_predictions(encode_batch(_batch(rows, imputed=((), ("x", "city")))))
    assert newest_inputs(batch, 9) == [Input(rows[0]), Input(rows[1], ("x", "city"))]


def _single(x, time):
    return encode(
        "prediction",
        {
            "id": f"single-{time}",
            "event_time": time,
            "model": "m",
            "model_version": "mv",
            "code_version": "cv",
            "release": 2,
            "environment": "production",
            "features": {"x": x},
            "outputs": {"output": 1.0},
        },
    )


LOGGER = Logger("m", 2, "production")


@pytest.fixture
def topic(settings):
    return Topics(settings.topic_prefix).predictions


def _last(settings, topic, most, seconds=60.0):
    found = last_inputs(settings.kafka, topic, LOGGER, most, seconds)
    return [each.features["x"] for each in found]


def test_the_newest_inputs_are_found_in_whatever_partition_they_lie(settings, topic):
    client = plain_producer(settings.kafka)
    noise = encode_batch(_batch([{"x": -1.0}], release=1, start=900))
    older, newer = (
        encode_batch(_batch([{"x": float(n + i)} for i in range(10)], start=n)) for n in (0, 10)
    )
    client.produce(topic, newer, partition=0)
    for _ in range(300):  # more than one look backwards
        client.produce(topic, noise, partition=0)
    client.produce(topic, older, partition=1)
    assert client.flush(PATIENCE) == 0
    assert _last(settings, topic, 8) == [float(n) for n in range(12, 20)]
    assert _last(settings, topic, 12) == [float(n) for n in range(8, 20)]


def test_the_newest_inputs_of_one_release_are_found_among_all_that_is_logged(settings, topic):
    assert _last(settings, topic, 5) == []
    others = [
        _batch([{"x": -1.0}] * 3, release=1, start=900),
        _batch([{"x": -2.0}] * 3, start=900, environment="staging"),
    ]
    rows = [{"x": float(n)} for n in range(50)]
    mine = [encode_batch(_batch(rows[n : n + 10], start=n)) for n in range(0, 50, 10)]
    noise = [encode_batch(batch) for batch in others] * 300  # more than one look backwards
    produce(settings.kafka, topic, [*mine, b"garbage", _single(50.0, 50), *noise])
    assert _last(settings, topic, 8) == [float(n) for n in range(43, 51)]
    assert _last(settings, topic, 1000) == [float(n) for n in range(51)]
