"""The distance of inputs from references, against PSI on raw values with NumPy alone."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedge.contracts import columns_of
from kedge.policy import Distance, decide
from kedge.policy.distance import FEWEST_ROWS, distances
from kedge.profile import reference_of
from policy.test_decision import CASE, Moved, Version, _readings

ROWS = 400
CITIES = np.array(["Oslo", "Rome", "Bonn", "Nice"])


def _rows(random, shift, weights, rows):
    return [
        {"x": float(x), "y": float(y), "city": str(city)}
        for x, y, city in zip(
            random.normal(shift, 1, rows),
            random.exponential(1.0, rows),
            random.choice(CITIES, rows, p=weights),
            strict=True,
        )
    ]


def _reference(rows):
    outputs = [{"output": row.get("x", 0.0)} for row in rows]
    return reference_of((*columns_of(rows, "feature"), *columns_of(outputs, "output")))


def _brute(values, reference, name):
    """PSI as the textbook has it, of raw values cut at the reference's edges."""
    (column,) = (c for c in reference.columns if c.spec.key == ("feature", name))
    if column.spec.type == "categorical":
        known = list(column.bins.categories)
        window = [sum(v == each for v in values) for each in known]
        window.append(len(values) - sum(window))
        base = [*column.counts.tolist(), 0]
    else:
        edges = [-np.inf, *np.nextafter(column.bins.edges, -np.inf), np.inf]
        window = [sum(low < v <= high for v in values) for low, high in itertools.pairwise(edges)]
        base = column.counts.tolist()
    p, q = (np.maximum(np.array(each) / sum(each), 1e-4) for each in (window, base))
    return float(((p - q) * np.log(p / q)).sum())


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**20),
    shifts=st.lists(st.sampled_from([0.0, 0.3, 2.0]), min_size=1, max_size=3),
    weights=st.sampled_from([(0.25,) * 4, (0.7, 0.1, 0.1, 0.1), (0.5, 0.5, 0.0, 0.0)]),
)
def test_distances_are_those_of_raw_values(seed, shifts, weights):
    random = np.random.default_rng(seed)
    today = _rows(random, 0.0, (0.25,) * 4, ROWS)
    references = {
        f"v{n}": _reference(_rows(random, shift, weights, 1000)) for n, shift in enumerate(shifts)
    }
    found = distances(columns_of(today, "feature"), ROWS, references)
    assert list(found) == list(references)
    for name, reference in references.items():
        psi = {
            column: _brute([row[column] for row in today], reference, column)
            for column in ("x", "y", "city")
        }
        told = found[name]
        assert told.inputs == 3
        assert told.mean == pytest.approx(np.mean(list(psi.values())))
        assert told.largest == pytest.approx(max(psi.values()))
        assert psi[told.of] == max(psi.values())
        assert told.moved == sum(value > 0.25 for value in psi.values())


def test_references_are_compared_by_the_inputs_that_all_of_them_have():
    random = np.random.default_rng(7)
    today = _rows(random, 0.0, (0.25,) * 4, ROWS)
    whole = _reference(_rows(random, 0.0, (0.25,) * 4, 1000))
    narrow = _reference([{"x": row["x"]} for row in _rows(random, 3.0, (0.25,) * 4, 1000)])
    found = distances(columns_of(today, "feature"), ROWS, {"whole": whole, "narrow": narrow})
    assert {name: (each.inputs, each.of) for name, each in found.items()} == {
        "whole": (1, "x"),
        "narrow": (1, "x"),
    }
    assert (found["whole"].moved, found["narrow"].moved) == (0, 1)
    other = _reference([{"z": 1.0}, {"z": 2.0}])
    assert distances(columns_of(today, "feature"), ROWS, {"whole": whole, "other": other}) == {}


def test_what_the_code_filled_in_and_what_is_too_little_says_nothing():
    random = np.random.default_rng(8)
    today = _rows(random, 0.0, (0.25,) * 4, ROWS)
    reference = _reference(today)
    filled = [("x",) if n >= FEWEST_ROWS else () for n in range(ROWS)]
    columns = columns_of(today, "feature", filled)
    assert distances(columns, ROWS, {"r": reference})["r"].inputs == 3
    filled[0] = ("x",)
    columns = columns_of(today, "feature", filled)
    assert distances(columns, ROWS, {"r": reference})["r"].inputs == 2
    few = columns_of(today[: FEWEST_ROWS - 1], "feature")
    assert distances(few, FEWEST_ROWS - 1, {"r": reference}) == {}
    assert distances((), 0, {"r": reference}) == {}
    assert distances(columns, ROWS, {}) == {}


# How they rank candidates

MEANS = st.sampled_from([0.01, 0.05, 0.14, 0.3, 0.5])
NEARNESS = st.one_of(
    st.none(),
    st.builds(lambda moved, mean: Distance(mean, 1.0, "x", moved, 9), st.integers(0, 2), MEANS),
)
CANDIDATES = st.tuples(NEARNESS, st.booleans(), st.booleans())


def _wanted(candidates):
    """The best by the definition, pair by pair: one that nobody beats, the last that served."""
    known = [near for near, _, _ in candidates.values() if near is not None]
    least = min((near.moved for near in known), default=0)
    mean = min((near.mean for near in known if near.moved == least), default=0.0)

    def is_near(near):
        if not known:
            return True
        return near is not None and near.moved == least and near.mean <= mean + 0.1

    def beats(a, b):
        (near_a, keeps_a, at_once_a), (near_b, keeps_b, at_once_b) = candidates[a], candidates[b]
        for mine, yours in (
            (keeps_a, keeps_b),
            (at_once_a, at_once_b),
            (is_near(near_a), is_near(near_b)),
        ):
            if mine != yours:
                return mine
        return a > b  # they served in the order of their numbers

    (best,) = (a for a in candidates if all(a == b or beats(a, b) for b in candidates))
    return best


@given(st.lists(CANDIDATES, min_size=1, max_size=5))
def test_the_target_is_the_one_that_no_other_candidate_beats(drawn):
    candidates = dict(enumerate(drawn, 1))
    sick = len(candidates) + 1
    moves = [Moved(n, n - 1 or None, n) for n in range(1, sick + 1)]
    case = replace(
        CASE,
        incident=replace(CASE.incident, release=sick),
        readings={
            n: _readings(0.0, since=10 if at_once else 0)
            for n, (_, _, at_once) in candidates.items()
        },
        history=moves,
        # All have a model of their own, and those that keep it have other code.
        releases={sick: Version(sick, "mine", "bad")}
        | {
            n: Version(n, "mine" if keeps else f"m{n}", f"c{n}")
            for n, (_, keeps, _) in candidates.items()
        },
        distances={n: near for n, (near, _, _) in candidates.items() if near is not None},
    )
    answer = decide(case)
    assert answer.to_release == answer.candidates[0] == _wanted(candidates)
    assert sorted(answer.candidates) == sorted(candidates)


def test_the_reason_tells_how_near_the_target_is_and_what_was_left_for_it():
    near, far, own = (
        Distance(0.02, 0.09, "temp", 0, 12),
        Distance(0.4, 3.1, "temp", 3, 12),
        Distance(0.03, 0.08, "wind", 0, 12),
    )
    case = replace(
        CASE,
        history=(Moved(1, None, 3), Moved(2, 3, 1), Moved(3, 1, 2)),
        readings=CASE.readings | {3: _readings(0.0)},
        distances={1: far, 2: own, 3: near},
    )
    answer = decide(case)
    assert answer.to_release == 3
    assert answer.reason.endswith(
        "today's inputs against its reference: 0 of 12 inputs above a PSI of 0.25, 0.02 on average "
        "and 0.09 at most, of temp; of release 2 0 of 12 inputs above a PSI of 0.25, 0.03 on "
        "average and 0.08 at most, of wind; of release 1 3 of 12 inputs above a PSI of 0.25, 0.4 "
        "on average and 3.1 at most, of temp"
    )
    # Without it, the release that served last comes first.
    assert decide(replace(case, distances={})).to_release == 1
