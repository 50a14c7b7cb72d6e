"""The profiler: predictions become delta profiles, one for each release and base window.

All that it holds across micro-batches is which messages it has counted lately, so any number of
profilers share the partitions. It accounts for every message that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event

from kedge.broker import connection
from kedge.contracts import (
    PredictionBatch,
    Tags,
    Topics,
    UnreadableMessageError,
    decode_predictions,
    encode,
)
from kedge.profile import Profile, Reference, count_windows
from kedge.settings import Settings, StreamSettings, micros
from kedge.streams import (
    CommittedLog,
    Incoming,
    KnownRelease,
    Outgoing,
    Releases,
    Source,
    TryAgainError,
    account_messages,
    dead_letter,
    run_transactionally,
)
from kedge.streams.accounts import Accounts
from kedge.streams.admission import refusal
from kedge.streams.clients import Options
from kedge.streams.duplicates import Duplicates, identity


def run(settings: Settings, stop: Event) -> None:
    """Run one profiler until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    releases = Releases(kafka, topics)
    source = Source(topics.predictions, "profiler", f"{settings.topic_prefix}.profiler")
    try:
        profiler = Profiler(releases, topics, settings.stream, kafka)
        run_transactionally(source, profiler, kafka, settings, stop)
    finally:
        releases.close()


@dataclass(slots=True)
class _Delta:
    """What the micro-batch adds to one window of one release."""

    reference: Reference
    profile: Profile
    first_offset: int
    last_offset: int
    max_event_time: int
    max_arrival: int


class Profiler:
    """Predictions in, delta profiles, dead letters, accounts and state out."""

    def __init__(
        self, releases: Releases, topics: Topics, stream: StreamSettings, kafka: Options
    ) -> None:
        self._releases, self._topics, self._kafka = releases, topics, kafka
        self._window = micros(stream.window)
        self._future = micros(stream.future_tolerance)
        self._horizon = micros(stream.duplicate_horizon)
        self._most = stream.duplicate_messages
        self._counted: dict[int, Duplicates] = {}

    def assigned(self, partition: int) -> None:
        counted = Duplicates(horizon=self._horizon, most=self._most)
        with CommittedLog(self._kafka, self._topics.state("profiler"), partition) as log:
            counted.restore(log.news())
        self._counted[partition] = counted

    def revoked(self, partition: int) -> None:
        self._counted.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        return decode_predictions(message.value).rows

    def idle(self, now: int) -> Sequence[Outgoing]:
        """Time alone brings nothing."""
        del now
        return ()

    def process(self, batch: Sequence[Incoming]) -> Iterator[Outgoing]:
        deltas: dict[tuple[int, Tags, int], _Delta] = {}
        accounts = Accounts("profiler")
        for message in batch:
            partition, offset = message.partition, message.offset
            counted = self._counted.get(partition)
            if counted is None:
                raise TryAgainError(f"partition {partition} went to another process meanwhile")
            try:
                predictions = decode_predictions(message.value)
            except UnreadableMessageError as error:
                accounts.unreadable(partition, offset)
                yield self._give_up(message, "unreadable", str(error), 0)
                continue
            name = identity(predictions)
            # What was given up is not remembered: as a replay it has another chance. Reports of
            # drops have no predictions, and are all alike.
            if predictions.rows and counted.seen(name, message.timestamp):
                accounts.received(partition, offset, predictions, "rows_duplicate")
                continue
            tags = predictions.tags
            release = self._releases.release(tags.model, tags.release)
            latest = message.timestamp + self._future
            refused = refusal(predictions, release, latest=latest, window=self._window)
            if refused is not None:
                accounts.received(partition, offset, predictions, "rows_dead_lettered")
                yield self._give_up(message, *refused, predictions.rows)
                continue
            assert release is not None, "of an unknown one, all is refused"
            self._count(deltas, message, predictions, release)
            if predictions.rows:
                counted.remember(name, message.timestamp, offset)
            accounts.received(partition, offset, predictions, "rows_profiled")
        # The monitor sees a model's windows in the order of time, so that none is closed by its
        # own micro-batch.
        for (start, tags, partition), delta in sorted(
            deltas.items(), key=lambda item: (item[0][0], item[0][1].release, item[0][2])
        ):
            yield self._outgoing(start, tags, partition, delta)
        for partition, counted in self._counted.items():
            for key, state in counted.changes():
                yield Outgoing(self._topics.state("profiler"), key, state, partition)
        yield from account_messages(accounts, self._topics)

    def _give_up(self, message: Incoming, reason: str, detail: str, rows: int) -> Outgoing:
        return dead_letter(self._topics, "profiler", message, reason, detail, rows=rows)

    def _count(
        self,
        deltas: dict[tuple[int, Tags, int], _Delta],
        message: Incoming,
        predictions: PredictionBatch,
        release: KnownRelease,
    ) -> None:
        starts = predictions.event_times // self._window * self._window
        profiles = count_windows(predictions, release.reference, self._window, release.estimator)
        for start, profile in profiles.items():
            newest = int(predictions.event_times[starts == start].max())
            key = (start, predictions.tags, message.partition)
            delta = deltas.get(key)
            if delta is None:
                deltas[key] = _Delta(
                    release.reference,
                    profile,
                    message.offset,
                    message.offset,
                    newest,
                    message.timestamp,
                )
                continue
            delta.profile = delta.profile + profile
            delta.last_offset = message.offset
            delta.max_event_time = max(delta.max_event_time, newest)
            delta.max_arrival = max(delta.max_arrival, message.timestamp)

    def _outgoing(self, start: int, tags: Tags, partition: int, delta: _Delta) -> Outgoing:
        record = {
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "window_start": start,
            "window_end": start + self._window,
            **delta.profile.to_record(delta.reference),
            "source": {
                "partition": partition,
                "first_offset": delta.first_offset,
                "last_offset": delta.last_offset,
                "max_event_time": delta.max_event_time,
                "max_arrival": delta.max_arrival,
            },
        }
        return Outgoing(self._topics.profiles, tags.model.encode(), encode("profile", record))
