import pytest

from kedge.performance.reconcile import reconcile
from kedge.statistics import Statistic


def _one(estimate, *realised):
    (error,) = reconcile([estimate], realised)
    return error


def test_the_error_is_the_estimate_less_what_the_labels_say():
    error = _one(
        Statistic("estimated_f1", 0.75, 100),
        Statistic("f1", 0.5, 100),
        Statistic("f1", 0.1, 100, segment="origin=JFK"),
    )
    assert error == Statistic("estimation_error_f1", 0.25, 100)


def test_partial_labels_are_said():
    error = _one(Statistic("estimated_f1", 0.75, 100), Statistic("f1", 0.5, 40))
    assert (error.rows, error.note) == (40, "40 of 100 rows have a label")


@pytest.mark.parametrize(
    ("estimate", "realised", "note"),
    [
        (Statistic("estimated_f1", None, 0, note="why"), [], "no estimate: why"),
        (Statistic("estimated_f1", 0.5, 9), [], "no labels yet"),
        (
            Statistic("estimated_f1", 0.5, 9, segment="a=b"),
            [Statistic("f1", 0.5, 9)],
            "no labels yet",
        ),
        (
            Statistic("estimated_f1", 0.5, 9),
            [Statistic("f1", None, 4, note="why")],
            "not known by labels: why",
        ),
    ],
)
def test_what_is_not_known_has_no_error(estimate, realised, note):
    error = _one(estimate, *realised)
    assert (error.value, error.note) == (None, note)
