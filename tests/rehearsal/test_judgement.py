"""What a rehearsal says, of replays written by hand."""

import numpy as np
import pytest

from kedge.contracts import columns_of
from kedge.policy import Rule, Subject
from kedge.profile import Missing, reference_of
from kedge.rehearsal.inputs import Input
from kedge.rehearsal.judgement import FEWEST_ROWS, fair_inputs, judge
from kedge.rehearsal.replay import Answer, Replay

RANDOM = np.random.default_rng(20261124)
ROWS = 400
XS = RANDOM.normal(size=2000)


def _reference():
    rows = [{"x": float(x), "sometimes": None if i % 4 == 0 else 1.0} for i, x in enumerate(XS)]
    outputs = [{"output": float(2 * x)} for x in XS]
    return reference_of((*columns_of(rows, "feature"), *columns_of(outputs, "output")))


REFERENCE = _reference()
INPUTS = [Input({"x": float(x), "sometimes": 1.0}) for x in XS[:ROWS]]


def _replay(output=lambda x: 2 * x, inputs=INPUTS, error=None):
    return Replay(
        tuple(
            Answer({}, error)
            if (value := output(each.features["x"])) is ...
            else Answer({"output": value})
            for each in inputs
        )
    )


def _rule(statistic, above, **keys):
    return Rule(name="r", statistic=statistic, above=above, action="rollback", **keys)


def _judged(replay, rule=None, subject=None, inputs=INPUTS, reference=REFERENCE):
    return judge(7, replay, inputs, reference, most_errors=0.05, rule=rule, subject=subject)


DRIFT = (_rule("psi", 0.25), Subject("psi", "output", "output"))
NULLS = (_rule("missing_rate", 0.2), Subject("missing_rate", "output", "output"))
RAISES = (_rule("error_rate", 0.02), Subject("error_rate"))


@pytest.mark.parametrize("watched", [DRIFT, NULLS, RAISES, (None, None)])
def test_a_release_that_answers_as_in_its_reference_is_spoken_for(watched):
    verdict = _judged(_replay(), *watched)
    assert (verdict.release, verdict.ok, verdict.rows) == (7, True, ROWS)
    assert "it raised on 0 of 400 logged inputs" in verdict.because


def _every(n, value, x_to=lambda x: 2 * x):
    count = iter(range(10**6))
    return lambda x: value if next(count) % n == 0 else x_to(x)


def test_the_rule_that_fired_is_asked_again():
    sick = _judged(_replay(_every(2, None)), *NULLS)
    assert sick.ok is False
    assert "missing_rate of output output is 0.5 in the rehearsal, above 0.2 too" in sick.because
    well = _judged(_replay(_every(10, None)), *NULLS)
    assert well.ok is True
    assert "missing_rate of output output is 0.1 in the rehearsal, not above 0.2" in well.because


def test_errors_count_by_their_share_and_their_type():
    few = _replay(_every(25, ...), error="KeyError")
    verdict = _judged(few)
    assert verdict.ok is True
    assert "it raised on 16 of 400 logged inputs (KeyError 16)" in verdict.because
    assert _judged(few, *RAISES).ok is False
    other = (_rule("error_rate", 0.02, kind="OSError"), Subject("error_rate", kind="OSError"))
    assert _judged(few, *other).ok is True
    assert _judged(_replay(_every(10, ...), error="KeyError")).ok is False


def test_outputs_that_are_all_missing_speak_against_it():
    verdict = _judged(_replay(lambda _: float("nan")))
    assert verdict.ok is False
    assert "output output had no usable value in any of 400 rows" in verdict.because


def test_outputs_far_from_the_reference_speak_against_it_only_where_the_inputs_are_near():
    verdict = _judged(_replay(lambda x: 2 * x + 9))
    assert verdict.ok is False
    assert "its inputs at" in verdict.because
    moved = [Input({"x": float(x) + 5, "sometimes": 1.0}) for x in XS[:ROWS]]
    assert _judged(_replay(inputs=moved), inputs=moved).ok is True
    few = INPUTS[:100]
    assert _judged(_replay(lambda x: 2 * x + 9, few), inputs=few).ok is True


@pytest.mark.parametrize(
    "subject",
    [
        Subject("missing_increase", "feature", "x"),
        Subject("psi", "feature", "x"),
        Subject("reconstruction_error"),
        Subject("missing_together"),
        Subject("rmse"),
        Subject("rows"),
        Subject("latency_p99"),
        Subject("evidence"),
    ],
)
def test_what_no_replay_can_answer_is_left_open(subject):
    rule = _rule(subject.statistic, 0.5 if subject.statistic != "evidence" else 1000.0)
    verdict = _judged(_replay(), rule, subject)
    assert verdict.ok is None
    assert verdict.because.startswith(str(subject))
    # Whatever the rule, a release that can't answer at all is no place to go back to.
    assert _judged(_replay(lambda _: None), rule, subject).ok is False


def test_fewer_rows_than_the_rule_needs_leave_it_open():
    rule = _rule("missing_rate", 0.2, min_rows=ROWS + 1)
    verdict = _judged(_replay(_every(2, None)), rule, NULLS[1])
    assert verdict.ok is None
    assert "of 400 rows, and the rule needs 401" in verdict.because


def test_a_few_answers_say_nothing():
    few = INPUTS[: FEWEST_ROWS - 1]
    verdict = _judged(_replay(lambda _: None, inputs=few), inputs=few)
    assert (verdict.ok, verdict.rows) == (None, FEWEST_ROWS - 1)


def test_what_was_answered_in_time_is_judged():
    slow = Replay(_replay().answers[:100], timeout="it loaded and answered 100 inputs")
    assert _judged(slow, *DRIFT).ok is None  # of fewer rows than the rule needs
    assert "answered 100 inputs" in _judged(slow).because
    assert _judged(Replay(timeout="it did not load")).ok is False


def test_why_it_could_not_be_run_is_no_fault_of_the_release():
    verdict = _judged(Replay(hindrance="no process can be started"))
    assert (verdict.ok, verdict.rows) == (None, 0)
    assert _judged(Replay(fault="it can't be loaded")).ok is False


# Fair inputs


@pytest.mark.parametrize(
    "lost",
    [
        Input({"sometimes": 1.0}),
        Input({"x": None, "sometimes": 1.0}),
        Input({"x": float("nan"), "sometimes": 1.0}),
        Input({"x": "text", "sometimes": 1.0}),
        Input({"x": "", "sometimes": 1.0}),
        Input({"x": 0.0, "sometimes": 1.0}, ("x",)),
        Input({"x": 0.0}),  # absent, where the reference has null
    ],
)
def test_what_the_sick_code_lost_or_filled_in_is_not_held_against_others(lost):
    fair, why = fair_inputs([*INPUTS[:5], lost], REFERENCE)
    assert fair == INPUTS[:5]
    assert "1 of 6 logged inputs lack a feature or have it filled in" in why


@pytest.mark.parametrize(
    "kept",
    [
        Input({"x": 0.0, "sometimes": None}),  # as in the reference
        Input({"x": 1e9, "sometimes": 1.0}),  # of the world's making
        Input({"x": 0.0, "sometimes": 1.0, "another": None}),  # nothing that it knows
    ],
)
def test_what_the_world_or_the_reference_has_is_fair(kept):
    assert fair_inputs([*INPUTS[:5], kept], REFERENCE) == ([*INPUTS[:5], kept], None)


def test_nothing_logged_is_nothing_unfair():
    assert fair_inputs([], REFERENCE) == ([], None)
    assert REFERENCE.columns[0].missing[Missing.NULL] == 0
