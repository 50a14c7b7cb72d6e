"""The assessor: joined predictions become the performance of windows, published and revised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from threading import Event

from kedge.broker import connection
from kedge.clock import microseconds_now
from kedge.contracts import Topics, UnreadableMessageError, decode, encode
from kedge.evaluation.assessment import Release
from kedge.evaluation.assessments import Assessments, TooLateError
from kedge.performance import Cbpe, estimates
from kedge.policies import configured
from kedge.policy import detectors_of
from kedge.profile import Expectation
from kedge.settings import Settings, micros
from kedge.statistics import RECONCILED, Statistic
from kedge.streams import (
    CommittedLog,
    Incoming,
    Outgoing,
    Releases,
    Source,
    dead_letter,
    run_transactionally,
)
from kedge.streams.clients import Options


def run(settings: Settings, stop: Event) -> None:
    """Run one assessor until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    releases = Releases(kafka, topics)
    source = Source(topics.performance, "assessor", f"{settings.topic_prefix}.assessor")
    try:
        assessor = Assessor(releases, topics, settings, kafka)
        run_transactionally(source, assessor, kafka, settings, stop)
    finally:
        releases.close()


class _RefusedError(Exception):
    """The joined predictions can't be added to a window."""

    def __init__(self, reason: str, detail: str, rows: int = 0) -> None:
        super().__init__(detail)
        self.reason, self.rows = reason, rows


class Assessor:
    """Joined predictions in, statistics, state and dead letters out."""

    def __init__(
        self, releases: Releases, topics: Topics, settings: Settings, kafka: Options
    ) -> None:
        self._releases, self._topics, self._kafka = releases, topics, kafka
        self._settings, self._policies = settings, configured(settings)
        self._every = micros(settings.evaluator.publish_every)
        self._assessments: dict[int, Assessments] = {}
        self._published = 0

    def assigned(self, partition: int) -> None:
        stream, evaluator = self._settings.stream, self._settings.evaluator
        longer = [micros(length) for length in stream.longer_windows]
        assessments = Assessments(
            base=micros(stream.window),
            longer=longer,
            keep=2 * micros(evaluator.horizon) + max(longer, default=0),
            detectors=partial(detectors_of, self._policies),
            estimates=self._estimates,
        )
        with CommittedLog(self._kafka, self._topics.state("assessor"), partition) as log:
            assessments.restore(log.news())
        self._assessments[partition] = assessments

    def revoked(self, partition: int) -> None:
        self._assessments.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        return len(decode(message.value, "performance")[1]["truths"])

    def idle(self, now: int) -> Iterator[Outgoing]:
        """Publish what has changed, if it is time.

        Each window changes with every micro-batch of outcomes. Published as often, it would be a
        flood of revisions that nobody reads.
        """
        due = abs(now - self._published) >= self._every
        if due:
            self._published = now
        for partition, assessments in self._assessments.items():
            if due:
                for record in assessments.publish():
                    key = record["model"].encode()
                    yield Outgoing(self._topics.statistics, key, encode("statistic", record))
            for name, state in assessments.changes():
                yield Outgoing(self._topics.state("assessor"), name, state, partition)

    def process(self, batch: Sequence[Incoming]) -> Iterator[Outgoing]:
        for message in batch:
            try:
                self._add(message)
            except _RefusedError as error:
                yield dead_letter(
                    self._topics, "assessor", message, error.reason, str(error), rows=error.rows
                )
        yield from self.idle(microseconds_now())

    def _add(self, message: Incoming) -> None:
        try:
            _name, joined = decode(message.value, "performance")
        except UnreadableMessageError as error:
            raise _RefusedError("unreadable", str(error)) from error
        known = self._releases.release(joined["model"], joined["release"])
        if known is None:
            detail = (
                f"release {joined['release']} of model `{joined['model']}` is not in the registry"
            )
            raise _RefusedError("unknown_release", detail, len(joined["truths"]))
        try:
            self._assessments[message.partition].add(joined, known.reference, known.estimator)
        except TooLateError as error:
            raise _RefusedError("too_late", str(error), len(joined["truths"])) from error
        except ValueError as error:
            raise _RefusedError("incomparable", str(error), len(joined["truths"])) from error

    def _estimates(self, release: Release, expectation: Expectation) -> Iterator[Statistic]:
        known = self._releases.release(release.model, release.number)
        assert known is not None, "a window's release was known when its rows were added"
        # Of the others, the joined rows don't have what their estimates are made from.
        if known.estimator is None or isinstance(known.estimator, Cbpe):
            for each in estimates(known.estimator, known.reference, expectation):
                if each.name.removeprefix("estimated_") in RECONCILED:
                    yield each
