"""The suite itself, on stories enough for the suite of tests; `make bench-incidents` plays more."""

import pytest

from benchmarks.incidents.judge import Judged, judged
from benchmarks.incidents.plan import FAULTS, POOLS, possible, story
from benchmarks.incidents.play import Played, play
from benchmarks.incidents.report import confusion, goals
from benchmarks.incidents.results import Results

# One of each kind on data that is quickly made, some with another release beside the last.
SEEDS = (75, 96, 82, 83, 44)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_story_ends_as_it_should(seed):
    told = story(seed)
    found = judged(told, play(told))
    assert (found.is_right, found.bad_rollbacks, found.prompt in (True, None)) == (True, 0, True)


def test_the_same_seed_tells_the_same_story():
    assert story(83) == story(83)
    assert play(story(83)) == play(story(83))


def test_there_are_stories_of_every_kind_and_on_all_data():
    told = [story(seed) for seed in range(500)]
    assert {(s.kind, s.fault) for s in told} == {(k, f) for k in FAULTS for f in FAULTS[k]}
    assert {s.pool for s in told} == set(POOLS)
    assert {len(s.releases) for s in told} == {1, 2, 3, 4, 5}
    assert all(possible(s.fault, s.pool, labelled=s.labelled) for s in told)
    assert {(s.beside > 0, s.canary, s.labelled) for s in told} >= {
        (beside, canary, labelled)
        for beside, canary in ((False, False), (True, False), (True, True))
        for labelled in (False, True)
    }


def _sick(seed_range=range(100)):
    return next(
        s for s in map(story, seed_range) if s.kind == "code" and s.identified and not s.canary
    )


@pytest.mark.parametrize(
    ("verdicts", "moves", "wanted"),
    [
        # First and last verdict of each incident; window after the onset and target of each move.
        ([("code", "code")], [(0, 1)], ("code", 0, True)),
        ([("unclear", "code")], [(2, 1)], ("code", 0, True)),
        ([("code", "code")], [(3, 1)], ("code", 0, False)),
        ([("code", "model")], [], ("model", 0, False)),
        ([("unclear", "unclear"), ("code", "code")], [(0, 1)], ("code", 0, True)),
        ([("code", "code")], [(-2, 1)], ("code", 1, False)),
        ([], [], ("none", 0, False)),
    ],
)
def test_what_is_counted(verdicts, moves, wanted):
    told = _sick()
    played = Played(verdicts, [(told.onset + after, to) for after, to in moves])
    found = judged(told, played)
    assert (found.verdict, found.bad_rollbacks, found.prompt) == wanted


def test_results_go_on_where_a_run_was_killed(tmp_path):
    path = tmp_path / "results.jsonl"
    one = Judged("code", "raises", "code", {"code": 1}, 0, prompt=True)
    Results(path).add(1, one)
    with path.open("a") as file:
        file.write('{"seed": 2, "kind"')
    assert Results(path).found == {1: one}


def test_a_goal_that_is_missed_is_told():
    wrong = Judged("world", "season", "code", {"code": 1}, 1, None)
    right = Judged("code", "raises", "code", {"code": 1}, 0, prompt=True)
    met = [met for *_, met in goals([wrong, right])]
    assert met == [False, True, False, True, True]
    header, code, world = confusion([wrong, right])
    assert code == ("code", "1", "1", "0", "0", "0", "0", "0", "100.0 %")
    assert world == ("world", "1", "1", "0", "0", "0", "0", "0", "0.0 %")
    assert len(header) == len(code)
