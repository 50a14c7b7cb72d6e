"""Strategies of joined rows: a task, with outputs and truths that it may meet."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from kedge.performance import Task

SCORED = Task("binary", "output", threshold=0.5)
LABELLED = Task("binary", "output", positive="yes")
CLASSES = Task("multiclass", "output", classes=("a", "b", "c"))
REGRESSION = Task("regression", "output")
TASKS = (SCORED, LABELLED, CLASSES, REGRESSION)

_ANYTHING = st.sampled_from(
    [None, True, False, 0, 1, 2, 0.25, 0.5, -1.0, math.nan, math.inf, "", "a", "b", "z", "yes", "1"]
)
_SIDES = {
    SCORED: (st.floats(0, 1), st.sampled_from([True, False, 0, 1])),
    LABELLED: (st.sampled_from(["yes", "no"]), st.sampled_from(["yes", "no", True, 0])),
    CLASSES: (st.sampled_from("abcde"), st.sampled_from("abcdf")),
    REGRESSION: (st.floats(-1e6, 1e6), st.floats(-1e6, 1e6) | st.sampled_from([0.0, 3])),
}


def joined(task, *, clean=False, min_size=0, max_size=60):
    """Lists of (output, truth); with `clean`, usable ones only."""
    output, truth = _SIDES[task]
    if not clean:
        output, truth = output | _ANYTHING, truth | _ANYTHING
    return st.lists(st.tuples(output, truth), min_size=min_size, max_size=max_size)


def sides(rows):
    return [row[0] for row in rows], [row[1] for row in rows]
