"""Whatever the arguments: nothing is raised, and every event is accounted for."""

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


class BadError(Exception):
    pass


class Raises:
    """Raises from every method that logging could come to call."""

    def _raise(self, *_args, **_options):
        raise BadError

    __iter__ = __len__ = __str__ = __repr__ = __eq__ = __bool__ = __float__ = __int__ = _raise
    __index__ = __array__ = __getitem__ = __lt__ = __format__ = keys = items = _raise
    __getattr__ = _raise

    def __hash__(self):
        return 7


class Meta(type):
    def __hash__(cls):
        raise BadError

    def __instancecheck__(cls, other):
        raise BadError

    def __getattribute__(cls, name):
        raise BadError


class RaisesEvenAsType(metaclass=Meta):
    pass


class LyingDict(dict):
    def keys(self):
        raise BadError

    def __iter__(self):
        raise BadError


class BadTextError(Exception):
    def __str__(self):
        raise BadError


def endless():
    raise BadError
    yield


def of_objects(*values):
    array = np.empty(len(values), object)
    for at, value in enumerate(values):
        array[at] = value
    return array


# Drawn by position: Hypothesis would hash them.
KINDS = [
    Raises(),
    RaisesEvenAsType(),
    RaisesEvenAsType,
    LyingDict(a=1),
    BadTextError(),
    BadTextError,
    object(),
    b"bytes",
    "x" * 5000,
    "\ud800",
    "",
    {"a"},
    {1: 2, "1": 3, None: 4, (): 5},
    {"\ud800": 1},
    {"k" * 5000: 1},
    {Raises(): 1},
    {"deep": {"er": [{}]}},
    [[1], [1, 2]],
    [{}, {"a": Raises()}],
    [1, Raises()],
    np.zeros((2, 2, 2)),
    of_objects(Raises(), None),
    np.array(["a"], "S"),
    np.zeros(3, "i4,f8"),
    np.zeros(2, complex),
    float("nan"),
    math.inf,
    10**5000,
    1j,
    endless(),
    range(3),
    memoryview(b"ab"),
    type,
    Ellipsis,
    NotImplemented,
]

hostile = st.one_of(
    st.integers(0, len(KINDS) - 1).map(lambda at: KINDS[at]),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.lists(st.one_of(st.none(), st.floats(), st.text()), max_size=3),
    st.dictionaries(st.text(), st.one_of(st.none(), st.floats(), st.text()), max_size=3),
)


def test_single_predictions(log, predictions):
    good = []

    @settings(max_examples=150)
    @given(st.data())
    def logs(data):
        def options(*names):
            return {
                name: data.draw(hostile, label=name) for name in names if data.draw(st.booleans())
            }

        before = log.counts
        good.append(log.prediction({"x": 1.0}, 0.5))
        name = log.prediction(
            data.draw(hostile),
            data.draw(hostile),
            **options("id", "event_time", "imputed", "latency_ms", "error", "release"),
        )
        log.outcome(data.draw(hostile), data.draw(hostile), **options("known_at"))
        assert type(name) is str
        assert name
        after = log.counts
        assert after.accepted - before.accepted + after.refused - before.refused == 3

    logs()
    assert log.flush(30)
    counts = log.counts
    assert counts.accepted == counts.delivered + counts.lost
    assert counts.undelivered == 0
    assert set(good) <= {name for batch in predictions.batches() for name in batch.ids}


def test_batches(log, predictions):
    good = []
    columns = st.one_of(hostile, st.dictionaries(st.text(max_size=2), hostile, max_size=2))
    names = ("ids", "event_times", "imputed", "latencies_ms", "release")

    @settings(max_examples=150)
    @given(st.data())
    def logs(data):
        options = {name: data.draw(hostile) for name in names if data.draw(st.booleans())}
        good.extend(log.batch({"x": [1.0]}, [0.5]))
        made = log.batch(data.draw(columns), data.draw(columns), **options)
        assert all(type(name) is str and name for name in made)

    logs()
    assert log.flush(30)
    counts = log.counts
    assert counts.accepted == counts.delivered + counts.lost
    assert counts.undelivered == 0
    assert set(good) <= {name for batch in predictions.batches() for name in batch.ids}


def test_one_bad_event_costs_no_other(make_logger, predictions):
    log = make_logger(linger=0.5)
    before = [log.prediction({"x": 1.0}, 0.5) for _ in range(300)]
    # Two keys of one hash are compared when the columns are gathered, and that raises.
    log.prediction({Raises(): 1.0}, 0.5)
    log.prediction({"y": 1}, 0.5, id="fits", error="\ud800")
    after = [log.prediction({"x": 1.0}, 0.5) for _ in range(300)]
    assert log.flush(30)
    assert {*before, *after, "fits"} <= set(predictions.rows())
    assert log.counts.delivered + log.counts.unencodable == 602


def test_an_unencodable_event_is_counted_alone(make_logger, predictions):
    log = make_logger(linger=0.5)
    kept = [log.prediction({"x": 1.0}, 0.5) for _ in range(20)]
    log.prediction({Raises(): 1.0, "x": 1.0}, {Raises(): 1.0})
    log.prediction({Raises(): 1.0, "x": 1.0}, {Raises(): 1.0})
    kept += [log.prediction({"x": 1.0}, 0.5) for _ in range(20)]
    assert log.flush(30)
    assert set(kept) <= set(predictions.rows())
    assert log.counts.delivered + log.counts.unencodable == 42


def test_what_is_dropped_is_said_once_and_without_the_values(log, caplog):
    with caplog.at_level(logging.WARNING, "kedge.sdk"):
        for _ in range(1000):
            log.prediction("secret", 1)
        assert log.close(30)
    said = [record.getMessage() for record in caplog.records]
    assert 1 <= len(said) <= 2  # the first at once, the rest at the end
    assert all("dropped" in line and "can't be logged" in line for line in said)
    assert not any("secret" in line for line in said)
    assert log.counts.invalid == 1000


@pytest.mark.parametrize("features", [None, 7, "text", [1, 2], object()])
def test_features_that_are_no_mapping_are_invalid(log, features):
    log.prediction(features, 1)
    assert (log.counts.invalid, log.counts.accepted) == (1, 0)
