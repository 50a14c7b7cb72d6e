"""What is said of a window's predictions and of its performance is published apart, and so kept."""

import pytest

from kedge.policy import Policy, Rule, Watch
from statistic_records import MINUTE, increase, statistic, window

MISSING = Rule(name="missing", statistic="missing_increase", above=0.1, min_rows=100)
WRONG = Rule(name="wrong", statistic="accuracy", below=0.9, min_rows=100)


def _performance(release, minute, value, rows=1000, revision=0):
    accuracy = statistic("accuracy", value, rows)
    return window(release, minute, accuracy, revision=revision, part="performance")


def _watch():
    return Watch(Policy(model="flights", rules=(MISSING, WRONG)), "flights", "production", MINUTE)


def _steps(watch, *records):
    return [
        (change.step, change.incident.rule)
        for record in records
        for change in watch.observe(record)
    ]


def test_bad_performance_fires_and_its_correction_resolves():
    watch = _watch()
    assert _steps(watch, _performance(1, 0, 0.8)) == [("fired", "wrong")]
    assert _steps(watch, _performance(1, 0, 0.95, revision=1)) == [("resolved", "wrong")]


def test_too_few_truths_say_nothing():
    watch = _watch()
    assert _steps(watch, _performance(1, 0, 0.2, rows=99)) == []
    assert _steps(watch, _performance(1, 0, 0.2, rows=100, revision=1)) == [("fired", "wrong")]


@pytest.mark.parametrize("performance_first", [True, False])
def test_neither_part_hides_the_other_whatever_their_revisions(performance_first):
    records = [_performance(1, 0, 0.8, revision=7), window(1, 0, increase(0.5))]
    if not performance_first:
        records.reverse()
    assert set(_steps(_watch(), *records)) == {("fired", "wrong"), ("fired", "missing")}


def test_a_window_of_one_part_does_not_end_what_the_other_says():
    watch = _watch()
    assert _steps(watch, window(1, 0, increase(0.5))) == [("fired", "missing")]
    assert _steps(watch, _performance(1, 1, 0.95), _performance(1, 2, 0.95)) == []
    assert _steps(watch, window(1, 1, increase(0.0))) == [("resolved", "missing")]


def test_both_parts_survive_a_restart():
    watch = _watch()
    _steps(watch, _performance(1, 0, 0.8), window(1, 0, increase(0.5)))
    snapshots = watch.snapshot()
    restored = _watch()
    restored.restore(snapshots)
    assert _steps(restored, _performance(1, 1, 0.95)) == [("resolved", "wrong")]
    assert _steps(restored, window(1, 1, increase(0.0))) == [("resolved", "missing")]
