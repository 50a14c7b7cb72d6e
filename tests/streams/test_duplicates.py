"""What was counted before, against a model that looks at the whole history each time."""

import uuid

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PackedIds, PredictionBatch, Tags, decode_predictions, encode_batch
from kedge.streams.duplicates import Duplicates, identity

HORIZON = 100
MOST = 5

# What came, how long after the one before it (a clock may go back), and whether it was counted if
# it was new: what is given up is not.
messages = st.tuples(st.integers(0, 8), st.integers(-60, 90), st.booleans())
# Micro-batches; after some of them the process is killed and its state restored.
histories = st.lists(st.tuples(st.lists(messages, max_size=5), st.booleans()), max_size=15)


def _name(number):
    return number.to_bytes(16, "big")


def _answers_of_the_model(history):
    """By the words of the rule: counted less than a horizon ago, and few since."""
    counted, answers, clock, newest = [], [], 1000, 0
    for batch, _ in history:
        for number, later, fine in batch:
            clock += later
            now = max(newest, clock)
            seen = any(
                name == number and now - arrival < HORIZON for name, arrival in counted[-MOST:]
            )
            answers.append(seen)
            if fine and not seen:
                newest = now
                counted.append((number, now))
    return answers


def _feed(duplicates, batch, clock, offset):
    answers = []
    for number, later, fine in batch:
        clock += later
        answers.append(duplicates.seen(_name(number), clock))
        if fine and not answers[-1]:
            duplicates.remember(_name(number), clock, offset)
        offset += 1
    return answers, clock, offset


@given(histories)
def test_answers_are_the_model_s_wherever_the_process_is_killed(history):
    duplicates, kept = Duplicates(horizon=HORIZON, most=MOST), {}
    answers, clock, offset = [], 1000, 0
    for batch, killed in history:
        new, clock, offset = _feed(duplicates, batch, clock, offset)
        answers += new
        kept.update(duplicates.changes())
        if killed:
            duplicates = Duplicates(horizon=HORIZON, most=MOST)
            duplicates.restore(kept.items())
    assert answers == _answers_of_the_model(history)


@given(histories)
def test_memory_and_state_stay_bounded(history):
    duplicates, kept, clock, offset = Duplicates(horizon=HORIZON, most=MOST), {}, 1000, 0
    for batch, _ in history:
        _, clock, offset = _feed(duplicates, batch, clock, offset)
        kept.update(duplicates.changes())
        assert len(duplicates) <= MOST
        # No record of the state without a message that is still remembered.
        assert len([value for value in kept.values() if value is not None]) <= len(duplicates)


@given(histories, st.integers(0, 200), st.integers(1, 10))
def test_other_settings_after_a_restart_do_no_harm(history, horizon, most):
    kept, clock, offset = {}, 1000, 0
    choices = [{"horizon": HORIZON, "most": MOST}, {"horizon": horizon, "most": most}]
    duplicates = Duplicates(**choices[0])
    for batch, killed in history:
        _, clock, offset = _feed(duplicates, batch, clock, offset)
        kept.update(duplicates.changes())
        assert len(duplicates) <= max(MOST, most)
        if killed:
            choices.reverse()
            duplicates = Duplicates(**choices[0])
            duplicates.restore(kept.items())
    duplicates = Duplicates(horizon=HORIZON, most=MOST)
    duplicates.restore(kept.items())
    for number in range(2):
        clock += 10_000
        duplicates.remember(_name(100 + number), clock, offset + number)
    kept.update(duplicates.changes())
    # What is past every horizon has left the state whole.
    assert [key for key, value in kept.items() if value is not None] == [b"%d" % (offset + 1)]


def test_the_horizon_is_exact_and_0_turns_it_off():
    duplicates = Duplicates(horizon=HORIZON, most=MOST)
    duplicates.remember(_name(1), 1000, 0)
    assert duplicates.seen(_name(1), 1000 + HORIZON - 1)
    assert not duplicates.seen(_name(1), 1000 + HORIZON)
    off = Duplicates(horizon=0, most=MOST)
    off.remember(_name(1), 1000, 0)
    assert not off.seen(_name(1), 1000)
    assert list(off.changes()) == []


def test_a_record_of_the_state_holds_a_bounded_number_of_messages():
    duplicates = Duplicates(horizon=HORIZON, most=50_000)
    for number in range(25_000):
        duplicates.remember(_name(number), 1000, number)
    state = list(duplicates.changes())
    assert [len(value) // 24 for _, value in state] == [10_000, 10_000, 5_000]
    again = Duplicates(horizon=HORIZON, most=50_000)
    again.restore(state)
    assert len(again) == 25_000
    assert again.seen(_name(24_999), 1001)


def _predictions(ids, tags=("m", "v", "c", 1, "e")):
    rows = len(ids)
    return PredictionBatch(
        Tags(*tags), ids, np.zeros(rows, np.int64), np.full(rows, np.nan, np.float32), ()
    )


tags = st.tuples(
    st.sampled_from(["a", "ab", ""]),
    st.sampled_from(["a", "b", ""]),
    st.sampled_from(["a", "b"]),
    st.integers(1, 2),
    st.sampled_from(["a", "b"]),
)
lists_of_ids = st.lists(st.sampled_from(["", "a", "b", "ab", "packed"]), max_size=3)


@given(st.tuples(tags, lists_of_ids), st.tuples(tags, lists_of_ids))
def test_identities_are_equal_where_tags_and_ids_are(one, other):
    first, second = (identity(_predictions(ids, who)) for who, ids in (one, other))
    assert (first == second) == (one == other)
    assert len(first) == 16


@given(st.lists(st.uuids(), min_size=1, max_size=4))
def test_a_message_read_again_has_the_same_identity(ids):
    packed = PackedIds(b"".join(each.bytes for each in ids))
    message = encode_batch(_predictions(packed))
    again = encode_batch(_predictions([str(each) for each in ids]))
    assert identity(decode_predictions(message)) == identity(decode_predictions(again))
    other = _predictions([*map(str, ids[:-1]), str(uuid.UUID(int=ids[-1].int ^ 1))])
    assert identity(decode_predictions(encode_batch(other))) != identity(_predictions(packed))
