"""Whatever order outcomes and predictions come in: what is counted is the truth known last."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kedge.evaluation.truths import Prediction, Truths, name_of

HORIZON = 1_000_000
NAMES = ("a", "b", "c")
TRUTHS = (None, True, False, 1, 1.0, 0.25, "yes", "", float("nan"), [1.0, 2.0])


def _new(entries=None, patience=10**18, most_waiting=1000):
    return Truths(
        {} if entries is None else entries,
        horizon=HORIZON,
        patience=patience,
        most_waiting=most_waiting,
    )


def _outcome(prediction, known_at, *, truth=True):
    return {
        "prediction_id": prediction,
        "model": "flights",
        "environment": "test",
        "known_at": known_at,
        "truth": truth,
    }


def _count(counted, joined):
    """What a reader of the joined predictions holds: each truth as often as it came less as often
    as it was taken out."""
    for each in joined:
        for truth, sign in ((each.before, -1), (each.after, 1)):
            if truth is not None:
                counted[each.prediction, repr(truth)] += sign


OUTCOMES = st.tuples(
    st.just("outcome"),
    st.sampled_from(NAMES),
    st.integers(HORIZON, HORIZON + 5),
    st.sampled_from(TRUTHS),
)
PREDICTIONS = st.tuples(
    st.just("prediction"), st.sampled_from(NAMES), st.integers(1, 2), st.integers(10, 20)
)
STEPS = st.lists(OUTCOMES | PREDICTIONS | st.sampled_from([("commit",), ("abort",)]), max_size=40)


@given(STEPS)
def test_any_order_repetition_and_cut_counts_the_truth_known_last(steps):
    archive, log, counted = {}, [], Counter()
    truths, batch, expected = _new(), [], {}
    offset = 0

    def work(outcomes):
        """A micro-batch as the evaluator does it; the archive has grown meanwhile."""
        wanted = [truths.take(outcome, at, 2 * HORIZON) for outcome, at in outcomes]
        joined = [
            each
            for name in (*filter(None, wanted), *truths.names())
            for each in truths.join(name, archive.get(name, {}).values())
        ]
        return [*joined, *truths.corrections()]

    for step in [*steps, ("commit",)]:
        match step:
            case ("outcome", name, known_at, truth):
                batch.append((_outcome(name, known_at, truth=truth), offset))
                held = expected.get(name)
                if held is None or known_at >= held[0]:
                    expected[name] = (known_at, truth)
                offset += 1
            case ("prediction", name, release, time):
                of_name = archive.setdefault(name_of("flights", "test", name), {})
                of_name.setdefault(release, Prediction(release, time, 0.5))
            case ("commit",):
                _count(counted, work(batch))
                log += truths.changes()
                batch = []
            case ("abort",):
                work(batch)
                truths = _new()
                truths.restore(log)
    wanted = Counter()
    for name, (_known_at, truth) in expected.items():
        if truth is not None:
            for prediction in archive.get(name_of("flights", "test", name), {}).values():
                wanted[prediction, repr(truth)] += 1
    assert +counted == wanted
    assert not -counted


def test_a_duplicate_changes_nothing():
    truths, name = _new(), name_of("flights", "test", "a")
    truths.take(_outcome("a", HORIZON), 0, HORIZON)
    assert len(list(truths.join(name, [Prediction(1, 10, 0.5)]))) == 1
    list(truths.corrections())
    assert truths.take(_outcome("a", HORIZON), 1, HORIZON) is None
    assert list(truths.corrections()) == []


def test_what_the_state_has_of_a_forgotten_prediction_can_not_be_counted_again():
    entries = {}
    truths, name, prediction = _new(entries), name_of("flights", "test", "a"), Prediction(1, 10, 0)
    truths.take(_outcome("a", 20), 0, 20)
    assert len(list(truths.join(name, [prediction]))) == 1
    list(truths.changes())
    assert name in entries
    # An outcome of another prediction moves the horizon past this one.
    truths.take(_outcome("b", HORIZON + 11), 1, HORIZON + 11)
    truths.sweep()
    assert (name, None) in list(truths.changes())
    assert name not in entries
    truths.take(_outcome("a", 30, truth=False), 2, HORIZON + 12)
    assert list(truths.join(name, [prediction])) == []


def test_a_truth_from_the_future_moves_the_horizon_no_further_than_its_arrival():
    truths, name = _new(), name_of("flights", "test", "a")
    truths.take(_outcome("z", 10**15), 0, 30)
    truths.take(_outcome("a", 30), 1, 30)
    assert len(list(truths.join(name, [Prediction(1, 10, 0.5)]))) == 1


def test_who_waits_too_long_is_given_up_and_only_once():
    log = []
    truths = _new(patience=100)
    truths.take(_outcome("a", 5, truth="x"), 3, 50)
    assert list(truths.orphans(149)) == []
    log += truths.changes()
    truths = _new(patience=100)
    truths.restore(log)
    (orphan,) = truths.orphans(150)
    assert (orphan.outcome, orphan.offset, orphan.arrived) == (_outcome("a", 5, truth="x"), 3, 50)
    log += truths.changes()
    truths = _new(patience=100)
    truths.restore(log)
    assert list(truths.orphans(10**18)) == []


def test_of_too_many_who_wait_the_oldest_are_given_up():
    truths = _new(most_waiting=2)
    for offset, name in enumerate("abcd"):
        truths.take(_outcome(name, 5), offset, offset)
    assert [o.outcome["prediction_id"] for o in truths.orphans(4)] == ["a", "b"]


def test_an_outcome_that_was_given_up_may_be_sent_again():
    truths, name = _new(patience=100), name_of("flights", "test", "a")
    truths.take(_outcome("a", 5), 0, 0)
    assert len(list(truths.orphans(100))) == 1
    assert truths.take(_outcome("a", 5), 1, 200) == name
    assert len(list(truths.join(name, [Prediction(1, 1, 0.5)]))) == 1
