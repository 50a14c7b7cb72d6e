"""The schedule of faults: the same for the same seed, and one that can be played."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chaos.schedule import ALWAYS, POISONS, Kind, schedule

SEEDS = st.integers(0, 2**32)
COUNTS = st.integers(0, 300)


@given(SEEDS, COUNTS)
def test_the_same_seed_gives_the_same_schedule(seed, count):
    assert schedule(seed, count) == schedule(seed, count)
    assert len(schedule(seed, count)) == count


def test_another_seed_gives_another_schedule():
    assert len({tuple(map(str, schedule(seed, 20))) for seed in range(50)}) == 50


@given(SEEDS, COUNTS)
def test_faults_meet_workers_that_are_there(seed, count):
    workers = set(ALWAYS)
    for fault in schedule(seed, count):
        match fault.kind:
            case Kind.ADD:
                assert fault.target not in workers
                workers.add(fault.target)
            case Kind.REMOVE:
                assert fault.target not in ALWAYS
                workers.remove(fault.target)
            case Kind.KILL | Kind.FREEZE:
                assert fault.target in workers
            case Kind.POISON:
                assert fault.target in POISONS
            case _:
                assert fault.target == ""


@given(SEEDS, st.integers(len(Kind), 300))
def test_every_kind_comes_and_the_broker_seldom(seed, count):
    kinds = Counter(fault.kind for fault in schedule(seed, count))
    assert set(kinds) == set(Kind)
    assert kinds[Kind.BROKER] == max(1, count // 25)


def test_a_fault_says_what_it_is():
    told = [str(fault) for fault in schedule(3, 60)]
    assert any("kill -9 profiler-" in line for line in told)
    assert any("freeze" in line and line.endswith(" s") for line in told)
