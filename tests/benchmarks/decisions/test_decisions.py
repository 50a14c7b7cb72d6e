"""The benchmark itself: it measures what it says, on streams small enough for the suite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from benchmarks.decisions import rules
from benchmarks.decisions.__main__ import main
from benchmarks.decisions.detectors import AdwinOnErrors
from benchmarks.decisions.faults import chosen
from benchmarks.decisions.matrix import Cells
from benchmarks.decisions.measure import Clean, Faulted, _window, clean, faulted
from benchmarks.decisions.methods import KEDGE, METHODS, RULES
from benchmarks.decisions.mixture import Mixture
from benchmarks.decisions.plan import Cell, cells
from benchmarks.decisions.pools import POOLS
from benchmarks.decisions.report import Report
from benchmarks.decisions.results import Results
from benchmarks.decisions.windows import Category, Window, columns, counted
from kedge.profile import reference_of
from kedge.statistics import js_distance, psi

MIXTURE = Mixture("small mixture", past_windows=40)
SEA = POOLS["sea"]
PLAIN = {name: METHODS[name] for name in (*RULES, "always fire")}


@pytest.fixture(scope="module")
def past():
    return MIXTURE.past(np.random.default_rng(1))


def test_the_same_seed_gives_the_same_answer():
    one, other = (clean(SEA, PLAIN, windows=20, pasts=2, seed=3) for _ in range(2))
    assert {name: found.tail for name, found in one.items()} == {
        name: found.tail for name, found in other.items()
    }


def test_an_oracles_threshold_gives_the_rate_it_promises():
    found = clean(SEA, PLAIN, windows=200, pasts=2, seed=1)
    for name in RULES:
        for alarms in (0, 1, 5, 20):
            threshold = found[name].threshold(alarms)
            at_it = sum(score >= threshold for score in found[name].tail)
            # Scores with ties, such as those of few rows, allow fewer.
            assert at_it <= alarms
            if len(set(found[name].tail)) == len(found[name].tail):
                assert at_it == alarms


def test_firing_always_has_no_delay_and_nothing_but_false_alarms():
    method = {"always fire": rules.AlwaysFire}
    assert clean(SEA, method, windows=50, pasts=2, seed=1)["always fire"].alarms == 50
    found = faulted(SEA, method, "null feed", 0.3, runs=2, seed=1)["always fire"]
    assert found.delays(1.0) == [0, 0]


def test_counts_drawn_at_once_are_distributed_as_counted_rows(past):
    rng = np.random.default_rng(2)
    drawn = [MIXTURE.counts(i, 200, past, rng).profile for i in range(300)]
    rows = [counted(MIXTURE.drawn(i, 200, rng), past.reference) for i in range(300)]
    for at in (0, 7, 34, 40, 49):
        sums = np.array([sum(p.counts[at] for p in part) for part in (drawn, rows)])
        missing = [[sum(p.missing[at].sum() for p in part)] for part in (drawn, rows)]
        table = np.hstack([sums, missing])
        # One column in 5 tests at 1e-5: a chance of 1 in 20,000, and the seed is fixed.
        assert chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue > 1e-5


def test_rules_compute_what_they_are_named_after(past):
    rows = MIXTURE.drawn(0, 500, np.random.default_rng(4))
    profile = counted(rows, past.reference)
    matrix = Cells(past.reference)
    counts = matrix.of(profile)
    p = rules.p_values(matrix, counts)
    distances = rules.ks_distances(matrix, counts)
    js = rules.js_distances(matrix, counts)
    worst = 0.0
    for at, column in enumerate(past.reference.columns):
        window = np.append(profile.counts[at], profile.missing[at].sum())
        known = np.append(column.counts, column.missing.sum())
        worst = max(worst, psi(window, known))
        assert js[at] == pytest.approx(js_distance(window, known))
        if column.spec.type == "numeric":
            bins = [np.repeat(np.arange(len(c)), c) for c in (profile.counts[at], column.counts)]
            assert distances[at] == pytest.approx(ks_2samp(*bins).statistic)
            assert p[at] == pytest.approx(ks_2samp(*bins, method="asymp").pvalue, abs=0.03)
        else:
            table = np.array([profile.counts[at], column.counts])
            expected = chi2_contingency(table, correction=False).pvalue
            assert p[at] == pytest.approx(expected)
    assert rules.Psi(past).observe(Window(0, profile)) == pytest.approx(worst)


def test_nannyml_is_at_three_where_its_threshold_is():
    past = SEA.past(np.random.default_rng(1))
    method = rules.NannymlSigmas(past)
    known = np.array([method._distances(window) for window in past.windows])
    limits = known.mean(axis=0) + 3 * known.std(axis=0)
    window = past.windows[int((known - limits).max(axis=1).argmax())]
    above = ((known - limits).max(axis=1) >= 0).any()
    assert (method.observe(window) >= method.threshold) == above


def test_evidentlys_verdict_on_a_data_set_needs_half_of_the_columns(past):
    rows = MIXTURE.drawn(0, 2000, np.random.default_rng(5))

    def verdict(broken):
        features = {
            name: values if i >= broken or isinstance(values, Category) else values * 0 + 1e9
            for i, (name, values) in enumerate(rows.features.items())
        }
        profile = counted(type(rows)(features), past.reference)
        return rules.EvidentlyPreset(past).observe(Window(0, profile)) >= 0.5

    assert [verdict(broken) for broken in (0, 5, 35)] == [False, False, True]


@pytest.mark.parametrize(
    ("family", "size", "changed"),
    [
        ("unit change", 1.8, 1),
        ("swapped columns", 1.0, 2),
        ("null feed", 0.3, 1),
        ("stale feature", 1.0, 1),
        ("clipped values", 0.15, 1),
        ("level shift", 0.5, 1),
        ("slow drift", 0.02, 1),
        ("volume burst", 10.0, 0),
    ],
)
def test_a_fault_changes_the_features_it_names_and_no_other(past, family, size, changed):
    fault = chosen(family, size, past, np.random.default_rng(6))
    before = MIXTURE.drawn(0, 200, np.random.default_rng(7))
    assert fault.count(200) == (2000 if family == "volume burst" else 200)
    after = fault.applied(before, 10, np.random.default_rng(8))
    different = [
        one.name
        for one, other in zip(columns(before), columns(after), strict=True)
        if not np.array_equal(one.values[one.states == 0], other.values[other.states == 0])
    ]
    assert sorted(different) == sorted(fault.columns)
    assert len(different) == changed


def test_a_fault_drawn_as_counts_is_the_one_in_rows(past):
    rng = np.random.default_rng(9)
    fault = chosen("null feed", 0.5, past, rng)
    at = [c.spec.name for c in past.reference.columns].index(fault.columns[0])
    asked = {"stream": MIXTURE, "past": past, "index": 0, "rng": rng, "fault": fault}
    for with_rows in (False, True):
        profiles = [_window(**asked, with_rows=with_rows).profile for _ in range(20)]
        share = np.sum([profile.missing for profile in profiles], axis=0).sum(axis=1) / 4000
        assert share[at] == pytest.approx(0.5, abs=0.05)
        assert np.delete(share, at).max() < 0.04
        assert all(p.counts[at].sum() + p.missing[at].sum() == 200 for p in profiles)


def test_only_outcomes_tell_a_label_flip():
    methods = {"errors": AdwinOnErrors, "p": rules.SmallestP}
    found = faulted(SEA, methods, "label flip", 0.4, runs=3, seed=1)
    assert max(found["errors"].delays(1.0)) < 10
    rate = clean(SEA, {"p": rules.SmallestP}, windows=200, pasts=2, seed=1)["p"]
    assert math.isinf(min(found["p"].delays(rate.threshold(0) + 1)))


def test_evidence_holds_its_run_length():
    quiet = clean(MIXTURE, {KEDGE: METHODS[KEDGE]}, windows=600, pasts=3, seed=1)[KEDGE]
    # At one in 1,000 windows, 4 or more alarms in 600 would have a chance of 0.3 %.
    assert quiet.alarms <= 3


def test_evidence_misses_no_fault_that_matters():
    found = faulted(MIXTURE, {KEDGE: METHODS[KEDGE]}, "null feed", 0.3, runs=3, seed=1)[KEDGE]
    assert max(found.delays(METHODS[KEDGE].threshold)) < 10


def test_evidence_sees_a_big_fault_in_its_first_window():
    found = faulted(MIXTURE, {KEDGE: METHODS[KEDGE]}, "stale feature", 1.0, runs=3, seed=1)[KEDGE]
    assert max(found.delays(METHODS[KEDGE].threshold)) == 0


def test_results_go_on_after_a_run_that_was_killed(tmp_path):
    path = tmp_path / "results.jsonl"
    first = Cell("clean", "sea", "PSI 0.2", 10, 1)
    second = Cell("fault", "sea", "PSI 0.2", 2, 1, "null feed", 0.3)
    results = Results(path)
    results.add(first, Clean(10, 1, [0.3, 0.1], 0.5))
    results.add(second, Faulted([[(0, 0.1), (4, math.inf)], []], 2))
    with path.open("a") as file:
        file.write('{"cell": {"kind": "cle')
    again = Results(path)
    assert (again[first].tail, again[second].early) == ([0.3, 0.1], 2)
    assert again[second].delays(0.2) == [4, math.inf]
    again.add(first, Clean(10, 2, [0.5], 0.5))
    assert Results(path)[first].alarms == 2


def test_the_command_measures_once_and_tells_what_it_found(tmp_path, monkeypatch, capsys):
    results, tables = tmp_path / "results.jsonl", tmp_path / "tables.md"
    asked = [
        "--windows",
        "20",
        "--runs",
        "1",
        "--streams",
        "stagger",
        "--methods",
        KEDGE,
        "PSI 0.2",
    ]
    files = ["--results", str(results), "--markdown", str(tables)]
    monkeypatch.setattr("sys.argv", ["decisions", *asked, *files])
    main()
    # Two methods: clean windows, and the seven faults that categories with outcomes can have.
    assert len(results.read_text().splitlines()) == 2 * (1 + 7)
    before = results.read_bytes()
    main()
    assert results.read_bytes() == before
    assert "goals not met" in capsys.readouterr().out
    assert "### Delay on stagger, 200 rows a window" in tables.read_text()


def test_a_report_says_which_goals_are_not_met(tmp_path):
    results = Results(tmp_path / "results.jsonl")
    asked = {"windows": 2000, "runs": 1, "seed": 1}
    for cell in cells(["shuttle"], [KEDGE, "PSI 0.2"], **asked):
        if cell.kind == "clean":
            alarms = 3 if cell.method == KEDGE else 5
            results.add(cell, Clean(2000, alarms, [0.5, 0.4, 0.3, 0.2, 0.1], 1.0))
        else:
            delay = {"null feed": 4, "stale feature": 1}.get(cell.family, 2)
            slow = [[(delay, 2000.0)]] if cell.family != "volume burst" else [[]]
            results.add(cell, Faulted(slow if cell.method == KEDGE else [[(2, 0.21)]]))
    failures = list(Report(results, 1).failures())
    assert failures[0] == "shuttle: 3 false alarms in 2000 clean windows, 2 allowed"
    assert failures[1:] == [
        f"shuttle, null feed {size}: delay 4, the best rule's (PSI 0.2) 2" for size in (0.05, 0.3)
    ]


def test_a_reference_of_the_past_counts_all_its_rows(past):
    assert past.reference.rows == 40 * 200
    again = reference_of(columns(past.windows[0].rows))
    assert [c.spec for c in again.columns] == [c.spec for c in past.reference.columns]
    assert sum(window.profile.rows for window in past.windows) == past.reference.rows
