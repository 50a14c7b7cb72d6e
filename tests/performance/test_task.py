import math

import pytest

from kedge.contracts import columns_of
from kedge.performance import Task, infer_task
from kedge.performance.values import class_text
from kedge.profile import ColumnSpec, reference_of

SHARES = [i / 20 for i in range(21)]


def _reference(**outputs):
    names = list(outputs)
    rows = [dict(zip(names, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return reference_of(columns_of(rows, "output"))


@pytest.mark.parametrize(
    ("output", "truths", "options", "task"),
    [
        (SHARES, [True, False], {}, Task("binary", "y", threshold=0.5)),
        (SHARES, [0, 1.0, None], {"threshold": 0.3}, Task("binary", "y", threshold=0.3)),
        ([0.0, 1.0], [1, math.nan], {}, Task("binary", "y", threshold=0.5)),
        (SHARES, ["late"], {"positive": "late"}, Task("binary", "y", "late", 0.5)),
        (SHARES, [0.5, 1], {}, Task("regression", "y")),
        ([3.0, 17.0], [0, 1], {}, Task("regression", "y")),
        ([True, False], [1, 0], {}, Task("binary", "y")),
        ([True, False], [False], {}, Task("binary", "y")),
        (["a", "b", "a"], ["b"], {}, Task("multiclass", "y", classes=("a", "b"))),
        (["a", "b"], ["a"], {"positive": "a"}, Task("binary", "y", "a")),
        (["1", "2", "2"], [2, 1], {}, Task("multiclass", "y", classes=("2", "1"))),
    ],
)
def test_the_task_that_output_and_truth_suggest(output, truths, options, task):
    assert infer_task(_reference(y=output), truths, **options) == task


def test_which_of_several_outputs():
    both = _reference(margin=[3.0, 17.0], output=[0.5, 0.7])
    assert infer_task(both, [True]).output == "output"
    assert infer_task(both, [4.5], output="margin").output == "margin"
    assert infer_task(_reference(b=[1.5], a=[2.5]), [4.5]).output == "b"


@pytest.mark.parametrize(
    ("output", "truths", "options", "message"),
    [
        ([3.0, 17.0], [True], {}, "not from 0 to 1"),
        (SHARES, ["late"], {}, "say which text is the positive class"),
        (["a"], [0.5], {}, "categorical and the truth is number"),
        (SHARES, [[1.0]], {}, "the truth is vector"),
        (SHARES, [None, math.nan], {}, "all are null or NaN"),
        (SHARES, [True], {"output": "z"}, "no output `z`; it has y"),
        (SHARES, [True], {"threshold": 1.5}, "threshold 1.5"),
    ],
)
def test_what_has_no_rule_is_refused(output, truths, options, message):
    with pytest.raises(ValueError, match=message):
        infer_task(_reference(y=output), truths, **options)


def test_without_an_output_there_is_no_task():
    features = reference_of(columns_of([{"x": 1.0}], "feature"))
    with pytest.raises(ValueError, match="has no output"):
        infer_task(features, [1.0])


def test_classes_are_written_as_the_references_categories_are():
    cells = [True, False, 1, 0, 2.5, -3.0, "a", "1"]
    columns = columns_of([{"y": cell} for cell in cells], "output")
    spec = ColumnSpec("y", "output", "categorical")
    categories = reference_of(columns, [spec]).columns[0].bins.categories
    assert {class_text(cell) for cell in cells} == set(categories)
