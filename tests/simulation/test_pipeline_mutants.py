"""Services that are wrong in what they remember: the pipeline's schedules tell."""

from dataclasses import replace
from unittest import mock

import pytest

from kedge.alerting import Alerting
from kedge.monitor import Monitor
from kedge.profiler import Profiler
from simulation.broker import ViolationError
from simulation.pipeline import TOPICS, Pipeline
from simulation.registered import SimulatedRegistry

SEEDS = 100
"""Schedules within which a mutant has to be caught."""


def _without_state(service, outputs):
    return [output for output in outputs if output.topic != TOPICS.state(service)]


class ProfilerThatForgets(Profiler):
    def process(self, batch):
        return _without_state("profiler", super().process(batch))


class ProfilerThatKeepsWhatWasAborted(Profiler):
    def assigned(self, partition):
        if partition not in self._counted:
            super().assigned(partition)


class MonitorThatForgets(Monitor):
    def idle(self, now):
        return _without_state("monitor", super().idle(now))


class MonitorThatKeepsWhatWasAborted(Monitor):
    def assigned(self, partition):
        if partition not in self._windows:
            super().assigned(partition)


class AlertingThatForgets(Alerting):
    def process(self, batch):
        return _without_state("alerting", super().process(batch))


class AlertingThatKeepsWhatWasAborted(Alerting):
    def assigned(self, partition):
        if partition not in self._watches:
            super().assigned(partition)


@pytest.mark.parametrize(
    ("service", "mutant", "first"),
    [
        ("profiler", ProfilerThatForgets, 0),
        ("profiler", ProfilerThatKeepsWhatWasAborted, 0),
        ("monitor", MonitorThatForgets, 0),
        ("monitor", MonitorThatKeepsWhatWasAborted, 0),
        ("alerting", AlertingThatForgets, 0),
        # Only few batches bring an alert: the search begins where one is aborted.
        ("alerting", AlertingThatKeepsWhatWasAborted, 40),
    ],
)
def test_a_service_that_is_wrong_is_caught(service, mutant, first):
    assert _caught(first, classes={service: mutant})


def test_alerting_that_does_not_find_its_own_move_is_caught():
    def nameless(registry, model, alias):
        return [replace(move, incident=None) for move in history(registry, model, alias)]

    history = SimulatedRegistry.history
    with mock.patch.object(SimulatedRegistry, "history", nameless):
        assert _caught()


def _caught(first=0, **how):
    for seed in range(first, first + SEEDS):
        try:
            Pipeline(seed, **how).run()
        except ViolationError:
            return True
    return False
