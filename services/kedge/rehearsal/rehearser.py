"""Rehearsals as a decision needs them: from the log and the registry to a verdict."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog
from confluent_kafka import KafkaException

from kedge.contracts import Topics
from kedge.errors import KedgeError
from kedge.policy import Distance, Rollback, Rule, Subject
from kedge.policy.distance import distances
from kedge.registry import DatabaseUnavailableError, Registry
from kedge.rehearsal.inputs import Input, feature_columns
from kedge.rehearsal.judgement import Rehearsal, fair_inputs, judge
from kedge.rehearsal.process import replay
from kedge.rehearsal.replay import Replay
from kedge.rehearsal.tail import Logger, last_inputs
from kedge.streams.clients import Options

MOST_INPUTS = 10_000

MOST_MEASURED = 2_000
"""Inputs that are compared with references: with more of them, no distance would be told better."""

READ_SECONDS = 10.0
"""For the inputs of one release."""

KEPT_SECONDS = 300.0
"""For which answers are used again: an incident may be decided on anew with each window."""

MOST_SECONDS = 120.0
"""After which no other rehearsal begins, until `begin` is called again.

With the longest that a policy allows one, a minute, this stays below Kafka's `max.poll.interval.ms`
of five minutes, beyond which another process would get the partitions.
"""

_log = structlog.get_logger(__name__)


class Rehearser:
    """Replays what a release was asked lately through others."""

    def __init__(self, registry: Registry, kafka: Options, topics: Topics) -> None:
        self._registry, self._kafka, self._topics = registry, kafka, topics
        self._inputs: dict[tuple[Logger, int], list[Input]] = {}
        self._replays: dict[tuple[Logger, int, int], Replay] = {}
        self._distances: dict[tuple[Logger, int, frozenset[str]], dict[str, Distance]] = {}
        self._since = time.monotonic()
        self._spent = 0.0

    def begin(self) -> None:
        """A new micro-batch: there is time again, and what is old is forgotten."""
        self._spent = 0.0
        if time.monotonic() - self._since > KEPT_SECONDS:
            self._inputs.clear()
            self._replays.clear()
            self._distances.clear()
            self._since = time.monotonic()

    def rehearse(
        self,
        logger: Logger,
        candidate: int,
        limits: Rollback,
        *,
        rule: Rule | None = None,
        subject: Subject | None = None,
    ) -> Rehearsal:
        """Whether a release would do better on what another one was asked.

        Args:
            logger: whose inputs are taken.
            candidate: number of the release that gets them.
            limits: how many inputs, how long, how much memory, how many errors.
            rule: the rule that fired; None for none.
            subject: what it fired on.

        Raises:
            DatabaseUnavailableError: the registry can't be asked; waiting may help.
        """
        if self._spent > MOST_SECONDS:
            spent = f"the rehearsals of this micro-batch took {self._spent:.0f} seconds already"
            return _unable(candidate, spent)
        try:
            with self._spending():
                return self._rehearsed(logger, candidate, limits, rule, subject)
        except DatabaseUnavailableError:
            raise
        except (KedgeError, KafkaException) as error:
            return _unable(candidate, str(error))

    def distances(
        self, logger: Logger, releases: Iterable[int], limits: Rollback, rule: Rule
    ) -> dict[int, Distance]:
        """How far what a release was asked lately is from what others were made for.

        Args:
            logger: whose inputs are taken: the newest `MOST_MEASURED` of those that a rehearsal
                takes.
            releases: numbers of the releases whose references they are compared with.
            limits: how many inputs are read.
            rule: the rule that fired.

        Returns:
            By release; nothing of any where it can't be had.

        Raises:
            DatabaseUnavailableError: the registry can't be asked; waiting may help.
        """
        if self._spent > MOST_SECONDS:
            return {}
        try:
            with self._spending():
                return self._measured(logger, releases, _wanted(limits, rule))
        except DatabaseUnavailableError:
            raise
        except (KedgeError, KafkaException) as error:
            _log.warning("inputs_not_compared", model=logger.model, error=str(error))
            return {}

    @contextmanager
    def _spending(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            self._spent += time.monotonic() - began

    def _measured(
        self, logger: Logger, releases: Iterable[int], wanted: int
    ) -> dict[int, Distance]:
        model = logger.model
        versions = {n: self._registry.release(model, n).model_version for n in releases}
        key = (logger, wanted, frozenset(versions.values()))
        if key not in self._distances:
            inputs = self._logged(logger, wanted)[-MOST_MEASURED:]
            references = {
                version: self._registry.model_version(model, version).reference
                for version in key[-1]
            }
            self._distances[key] = distances(feature_columns(inputs), len(inputs), references)
        found = self._distances[key]
        return {n: found[version] for n, version in versions.items() if version in found}

    def _rehearsed(
        self,
        logger: Logger,
        candidate: int,
        limits: Rollback,
        rule: Rule | None,
        subject: Subject | None,
    ) -> Rehearsal:
        wanted = _wanted(limits, rule)
        release = self._registry.release(logger.model, candidate)
        version = self._registry.model_version(logger.model, release.model_version)
        bundle = self._registry.bundle(release.code_version, model=logger.model)
        logged = self._logged(logger, wanted)
        inputs, left_out = fair_inputs(logged, version.reference)
        key = (logger, candidate, wanted)
        if key not in self._replays:
            self._replays[key] = replay(
                self._registry.loadable_artifact(version),
                bundle,
                release.code_version,
                [each.features for each in inputs],
                seconds=limits.rehearse_seconds,
                mib=limits.rehearse_mib,
            )
        verdict = judge(
            candidate,
            self._replays[key],
            inputs,
            version.reference,
            most_errors=limits.rehearse_errors,
            rule=rule,
            subject=subject,
        )
        return verdict if left_out is None else verdict.noting(left_out)

    def _logged(self, logger: Logger, most: int) -> list[Input]:
        key = (logger, most)
        if key not in self._inputs:
            topic = self._topics.predictions
            self._inputs[key] = last_inputs(self._kafka, topic, logger, most, READ_SECONDS)
        return self._inputs[key]


def _wanted(limits: Rollback, rule: Rule | None) -> int:
    """How many inputs are read."""
    return min(MOST_INPUTS, max(limits.rehearse_rows, 0 if rule is None else rule.rows_needed))


def _unable(candidate: int, why: str) -> Rehearsal:
    return Rehearsal(candidate, None, 0, f"it could not be rehearsed: {why}")
