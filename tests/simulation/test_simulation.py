"""Many schedules of the loop, each with its faults; see `make simulation` for the long form."""

import os

import pytest

from simulation.adding import Adding

SCHEDULES = int(os.environ.get("KEDGE_SIMULATION_SCHEDULES", "250"))
FIRST = int(os.environ.get("KEDGE_SIMULATION_FIRST_SEED", "0"))
PORTIONS = 10

FOUND = {
    4: "the state was restored without the newest commit: an open transaction hid it",
    5: "messages were processed of a partition that had been revoked in the same call",
    642: "a process that was told to stop while it waited for offsets went on, on an old state",
    204: "a process without its partitions told, when idle, what their owner had told already",
    5414: "it did so too where it had found no committed offset to be refused by",
}
"""What the simulation found in the loop, by the seeds that show it in the loop of then."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_nothing_is_lost_and_nothing_is_twice_whatever_happens(portion):
    for seed in range(FIRST + portion, FIRST + SCHEDULES, PORTIONS):
        Adding(seed).run()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_what_the_topics_never_take_is_given_up(portion):
    for seed in range(FIRST + portion, FIRST + SCHEDULES // 4, PORTIONS):
        Adding(seed, oversized=True).run()


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once(seed):
    Adding(seed).run()


def test_a_seed_says_everything_about_a_schedule():
    first, second = Adding(11), Adding(11)
    first.run()
    second.run()
    assert first.trace == second.trace
    assert any(who == "scheduler" for who, _ in first.trace)


def test_the_faults_that_are_meant_do_happen():
    told = set()
    for seed in range(30):
        schedule = Adding(seed)
        schedule.run()
        told |= {what.split()[0] if who == "scheduler" else what for who, what in schedule.trace}
    words = " ".join(told)
    for fault in ("kill", "pause", "resume", "stop", "evict"):
        assert fault in told
    for consequence in (
        "FENCED",
        "times the transaction of",
        "transaction_aborted",
        "the group knows no such member",
        "the group has moved on",
        "processing_one_by_one",
        "trying_again",
        "commit, after it was done",
    ):
        assert consequence in words
