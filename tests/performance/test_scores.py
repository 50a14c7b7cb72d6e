import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joined_rows import CLASSES, REGRESSION, SCORED, TASKS, joined, sides
from kedge.performance import Task, metrics, no_scores, scores_from_json, scores_of

tasks_with_rows = st.sampled_from(TASKS).flatmap(
    lambda task: st.tuples(st.just(task), joined(task), joined(task))
)


@given(tasks_with_rows)
def test_the_sum_is_the_scores_of_both(drawn):
    task, some, others = drawn
    both = scores_of(task, *sides(some + others))
    assert scores_of(task, *sides(some)) + scores_of(task, *sides(others)) == both


@given(tasks_with_rows)
def test_what_was_added_can_be_taken_out(drawn):
    task, some, others = drawn
    a, b = (scores_of(task, *sides(rows)) for rows in (some, others))
    assert a + b - b == a
    assert a - a == no_scores(task)
    assert a + no_scores(task) == a


@given(tasks_with_rows, st.randoms(use_true_random=False))
def test_neither_order_nor_corrections_change_a_metric(drawn, order: random.Random):
    task, rows, wrong = drawn
    expected = list(metrics(scores_of(task, *sides(rows))))
    steps = [(row, 1) for row in rows] + [(row, 1) for row in wrong] + [(row, -1) for row in wrong]
    order.shuffle(steps)
    total = no_scores(task)
    for row, sign in steps:
        one = scores_of(task, *sides([row]))
        total = total + one if sign == 1 else total - one
    assert list(metrics(total)) == expected


@given(tasks_with_rows)
def test_json_is_read_back(drawn):
    task, rows, _ = drawn
    scores = scores_of(task, *sides(rows))
    data = json.loads(json.dumps([task.to_json(), scores.to_json()]))
    assert scores_from_json(Task.from_json(data[0]), data[1]) == scores


@given(tasks_with_rows)
def test_every_row_is_usable_or_counted_as_not(drawn):
    task, rows, _ = drawn
    scores = scores_of(task, *sides(rows))
    assert scores.rows + scores.unusable == len(rows)


def test_scores_of_different_tasks_stay_apart():
    with pytest.raises(ValueError, match="can't be put together"):
        no_scores(SCORED) + no_scores(REGRESSION)
    with pytest.raises(ValueError, match="can't be put together"):
        no_scores(CLASSES) - no_scores(Task("multiclass", "output", classes=("a", "b")))


def test_as_many_outputs_as_truths():
    with pytest.raises(ValueError, match="2 outputs can't be joined with 1 truths"):
        scores_of(SCORED, [0.1, 0.2], [True])
