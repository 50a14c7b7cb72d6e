import datetime as dt
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

truths = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text("abcß", max_size=8),
    st.lists(st.floats(allow_nan=False), max_size=3),
)


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(known=st.lists(st.tuples(st.text("xyz", min_size=1), truths, st.integers(0, 2**60))))
def test_outcomes_arrive_keyed_by_the_prediction(log, outcomes, known):
    seen = len(outcomes.read())
    for name, truth, at in known:
        log.outcome(name, truth, known_at=at)
    assert log.flush(30)
    records = outcomes.outcomes()[seen:]
    kept = sorted([(r["prediction_id"], r["truth"], r["known_at"]) for r in records], key=repr)
    assert kept == sorted(known, key=repr)
    assert [message.key().decode() for message in outcomes.messages[seen:]] == [
        record["prediction_id"] for record in records
    ]
    assert {(r["model"], r["environment"]) for r in records} <= {("flights", "test")}


@pytest.mark.parametrize(
    ("truth", "kept"),
    [
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1.0, 2.0]),
        (2**70, float(2**70)),
        (10**400, math.inf),
        (dt.date(2013, 1, 1), "2013-01-01"),
        (np.datetime64("NaT"), None),
        (object(), "<object>"),
        ({"a": 1}, "<dict>"),
    ],
)
def test_truths_of_other_types(log, outcomes, truth, kept):
    log.outcome("a", truth)
    assert log.flush(30)
    assert [record["truth"] for record in outcomes.outcomes()] == [kept]


@pytest.mark.parametrize("nobody", [None, ""])
def test_an_outcome_of_no_prediction_is_refused(log, nobody):
    log.outcome(nobody, 1)
    assert (log.counts.invalid, log.counts.accepted) == (1, 0)


def test_what_was_true_at_the_call_is_logged(make_logger, outcomes):
    log = make_logger(linger=0.5)
    truth = [1.0, 2.0]
    log.outcome(17, truth)
    truth[0] = 9.0
    assert log.flush(30)
    (record,) = outcomes.outcomes()
    assert (record["prediction_id"], record["truth"]) == ("17", [1.0, 2.0])
