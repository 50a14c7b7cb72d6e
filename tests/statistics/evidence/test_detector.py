import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedge.profile import Profile
from kedge.statistics import CATALOGUE, Evidence, Season
from windows_of_evidence import BINS, EVEN, MINUTE, NAMES, SLOPE, counts_of, evidence_of, reference

ALARM = 1000.0
DRIFTED = EVEN * (1 + 0.7 * SLOPE)


def _after(evidence, rng, windows, *, start=0, rows=300, **what):
    """The model's evidence after each of so many windows."""
    return [
        evidence_of(evidence.observe(counts_of(rng, rows, **what), (start + i) * MINUTE))[0]
        for i in range(windows)
    ]


@pytest.fixture
def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("rows", [3, 30, 3000])
@pytest.mark.parametrize("of_reference", [0, 300, 100_000])
def test_calm_windows_are_no_evidence(rng, rows, of_reference):
    values = _after(Evidence(reference(of_reference)), rng, 300, rows=rows)
    assert max(values) < ALARM


@pytest.mark.parametrize(
    ("what", "column"),
    [
        ({"shares": DRIFTED}, "a"),
        ({"missing": 0.15}, "b"),
        ({"unseen": 0.1}, "city"),
        ({"shares": np.eye(BINS)[2]}, "a"),
    ],
)
def test_a_change_is_seen_and_the_column_named(rng, what, column):
    evidence = Evidence(reference())
    _after(evidence, rng, 40)
    assert _after(evidence, rng, 12, start=40, **what)[-1] > ALARM
    model, columns = evidence_of(evidence.observe(counts_of(rng, 300, **what), 52 * MINUTE))
    assert max(columns, key=columns.get) == column
    # Columns with one question or two: each question weighs the same in the model's.
    assert min(columns.values()) <= model <= max(columns.values())


@pytest.mark.parametrize(
    "what", [{"missing": 0.4}, {"unseen": 0.5}, {"shares": np.eye(BINS)[2]}, {"shares": SLOPE > 0}]
)
def test_a_large_change_is_seen_in_its_first_window(rng, what):
    evidence = Evidence(reference())
    assert _after(evidence, rng, 40)[-1] < ALARM < _after(evidence, rng, 1, start=40, **what)[0]


def test_when_the_change_is_over_the_evidence_falls(rng):
    evidence = Evidence(reference())
    _after(evidence, rng, 40)
    assert _after(evidence, rng, 15, start=40, shares=DRIFTED)[-1] > ALARM
    assert _after(evidence, rng, 60, start=55)[-1] < ALARM


def test_the_onset_is_told_with_a_margin():
    hits, margins = 0, []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        evidence = Evidence(reference())
        _after(evidence, rng, 40)
        _after(evidence, rng, 11, start=40, shares=DRIFTED)
        told = evidence.observe(counts_of(rng, 300, shares=DRIFTED), 51 * MINUTE)
        onset = {s.name: s.value for s in told if s.name.startswith("onset")}
        hits += onset["onset_earliest"] - 60 <= 40 * 60 <= onset["onset_latest"] + 60
        margins.append(onset["onset_latest"] - onset["onset_earliest"])
    assert hits >= 18
    assert np.median(margins) < 15 * 60


def test_there_is_no_onset_without_evidence(rng):
    told = Evidence(reference()).observe(counts_of(rng, 300), 0)
    onsets = [s for s in told if s.name.startswith("onset")]
    assert [s.value for s in onsets] == [None] * 3
    assert all("evidence is below" in s.note for s in onsets)


def test_windows_without_rows_change_nothing(rng):
    evidence = Evidence(reference())
    _after(evidence, rng, 30)
    before = evidence.to_json()
    evidence.observe(Profile.empty(reference()), 30 * MINUTE)
    assert evidence.to_json() == before


windows = st.lists(
    st.tuples(st.sampled_from([0, 1, 40, 2000]), st.sampled_from([0.0, 0.3, 0.9])), max_size=8
)


@given(windows, st.integers(0, 8), st.sampled_from([None, Season(3, MINUTE)]))
@settings(max_examples=25)
def test_a_restart_anywhere_changes_no_bit(windows, killed_after, season):
    def told(restarting):
        rng, evidence = np.random.default_rng(3), Evidence(reference(), season=season, burn_in=2)
        for minute, (rows, tilt) in enumerate(windows):
            if restarting and minute == killed_after:
                state = json.loads(json.dumps(evidence.to_json()))
                evidence = Evidence.from_json(state, reference(), season=season, burn_in=2)
            window = counts_of(rng, rows, shares=EVEN * (1 + tilt * SLOPE))
            yield evidence.observe(window, minute * MINUTE)

    assert list(told(restarting=True)) == list(told(restarting=False))


def test_the_state_does_not_grow(rng):
    evidence = Evidence(reference())
    _after(evidence, rng, 30)
    early = len(json.dumps(evidence.to_json()))
    _after(evidence, rng, 300, start=30)
    assert len(json.dumps(evidence.to_json())) < 1.2 * early


def test_the_state_of_other_options_is_refused():
    state = Evidence(reference()).to_json()
    with pytest.raises(ValueError, match="another reference or of other options"):
        Evidence.from_json(state, reference(), season=Season(24, 60 * MINUTE))


def test_the_state_of_another_version_is_refused():
    state = Evidence(reference()).to_json()
    del state["sums"]
    with pytest.raises(ValueError, match="`sums` of the state has 0 numbers"):
        Evidence.from_json(state, reference())


def test_one_bin_that_gains_at_the_cost_of_all_is_mostly_seen_in_its_first_window():
    stale, first = 0.8 * EVEN + 0.2 * np.eye(BINS)[4], []
    for seed in range(9):
        rng, evidence = np.random.default_rng(seed), Evidence(reference())
        _after(evidence, rng, 40)
        first += _after(evidence, rng, 1, start=40, shares=stale)
    assert np.median(first) > ALARM


@pytest.mark.parametrize("wrong", [{"floor": 0.0}, {"season": (0, 1)}, {"burn_in": -1}])
def test_options_that_can_not_be_are_refused(wrong):
    with pytest.raises(ValueError, match="|".join(wrong)):
        Evidence(reference(), **wrong)


def test_what_is_not_known_yet_is_said(rng):
    evidence = Evidence(reference(0), burn_in=3)
    notes = [evidence.observe(counts_of(rng, 100), i * MINUTE)[0].note for i in range(4)]
    made = "reference made of the first windows"
    assert notes[0] == f"calibrating: 1 of 3 windows; {made}"
    assert notes[3] == made
    assert Evidence(reference(), burn_in=0).observe(counts_of(rng, 100), 0)[0].note is None


def test_a_rhythm_that_is_told_of_is_no_change_and_a_change_in_it_is_seen(rng):
    def shares(minute, tilt=0.0):
        return EVEN * (1 + (0.6 * np.sin(2 * np.pi * minute / 8) + tilt) * SLOPE / 2)

    def run(evidence, minutes, tilt=0.0):
        return [
            evidence_of(evidence.observe(counts_of(rng, 500, shares=shares(m, tilt)), m * MINUTE))[
                0
            ]
            for m in minutes
        ]

    told = Evidence(reference(), season=Season(8, MINUTE))
    assert max(run(told, range(200))) < ALARM
    assert run(told, range(200, 220), tilt=0.9)[-1] > ALARM


def test_a_new_release_knows_the_variation_that_the_last_one_has_learned(rng):
    def window():
        return counts_of(rng, 1000, shares=rng.dirichlet(50 * EVEN))

    first = Evidence(reference())
    for minute in range(60):
        first.observe(window(), minute * MINUTE)
    second = Evidence(reference(seed=1), earlier=first)
    values = [evidence_of(second.observe(window(), m * MINUTE))[0] for m in range(60, 260)]
    assert max(values) < ALARM
    # It need not wait until it can tell a bad release.
    bad = Evidence(reference(seed=1), earlier=first)
    assert _after(bad, rng, 6, start=60, missing=0.3)[-1] > ALARM


def test_every_statistic_is_in_the_catalogue(rng):
    told = Evidence(reference()).observe(counts_of(rng, 100), 0)
    assert {s.name for s in told} <= CATALOGUE.keys()
    keys = [(s.name, s.role, s.column) for s in told]
    assert len(keys) == len(set(keys)) == len(NAMES) + 4
