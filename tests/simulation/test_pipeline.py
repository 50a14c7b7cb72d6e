"""Many schedules of profilers, monitors and alerting together; see `make simulation`."""

import os

import pytest

from simulation.pipeline import Pipeline

SCHEDULES = int(os.environ.get("KEDGE_SIMULATION_SCHEDULES", "80"))
FIRST = int(os.environ.get("KEDGE_SIMULATION_FIRST_SEED", "0"))
PORTIONS = 10

FOUND = {
    18: "alerting that died after a rollback told no more why it had been made",
}
"""What the simulation found in the services, by the seeds that show it in those of then."""


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("portion", range(PORTIONS))
def test_every_prediction_counts_once_and_every_incident_is_told_once(portion):
    for seed in range(FIRST + portion, FIRST + SCHEDULES, PORTIONS):
        Pipeline(seed, hasty=seed % 2 == 1).run()


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once(seed):
    Pipeline(seed).run()


@pytest.mark.parametrize("traffic", range(3))
def test_what_is_published_in_the_end_does_not_depend_on_the_schedule(traffic):
    outcomes = []
    for seed in range(5):
        schedule = Pipeline(seed, traffic=traffic)
        schedule.run()
        outcomes.append(schedule.outcome)
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_the_faults_that_are_meant_do_happen():
    unseen = {
        "scheduler kill",
        "scheduler pause",
        "a person moves",
        "says trying_again {'error': 'no answer to: history",
        "says transaction_aborted",
        "FENCED",
    }
    for seed in range(60):
        schedule = Pipeline(seed, hasty=seed % 2 == 1)
        schedule.run()
        words = "\n".join(f"{who} {what}" for who, what in schedule.world.trace)
        unseen = {fault for fault in unseen if fault not in words}
        if not unseen:
            return
    assert not unseen
