"""The monitor: delta profiles become windows, and closed windows become statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from threading import Event

from kedge.broker import connection
from kedge.clock import Clock, microseconds_now
from kedge.contracts import Record, Topics, UnreadableMessageError, decode, encode
from kedge.policies import configured
from kedge.policy import Policy, policy_for
from kedge.profile import Profile
from kedge.settings import Settings, micros
from kedge.statistics import WINDOWS_BEFORE, Season
from kedge.streams import (
    CommittedLog,
    Incoming,
    KnownRelease,
    Outgoing,
    Releases,
    Source,
    account_messages,
    dead_letter,
    run_transactionally,
)
from kedge.streams.accounts import Accounts
from kedge.streams.clients import Options
from kedge.streams.evidence import EvidenceFolds
from kedge.streams.monitoring import Monitoring
from kedge.streams.windows import Windows


def run(settings: Settings, stop: Event) -> None:
    """Run one monitor until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    releases = Releases(kafka, topics)
    source = Source(topics.profiles, "monitor", f"{settings.topic_prefix}.monitor")
    try:
        monitor = Monitor(releases, topics, settings, kafka)
        run_transactionally(source, monitor, kafka, settings, stop)
    finally:
        releases.close()


def monitoring(
    settings: Settings,
    policies: tuple[Policy, ...],
    known: Callable[[str, int], KnownRelease | None],
) -> Monitoring:
    """What a partition of the profiles topic is folded by.

    Args:
        settings: the windows, and what is evidence.
        policies: say which model has which season.
        known: a release by its model and number; None where there is none.
    """
    stream = settings.stream
    windows = partial(
        Windows,
        out_of_orderness=micros(stream.out_of_orderness),
        allowed_lateness=micros(stream.allowed_lateness),
        idle_after=micros(stream.idle_after),
        longer=[micros(length) for length in stream.longer_windows],
        slide=micros(stream.slide_of_longer),
        silence=micros(stream.silence),
        history=WINDOWS_BEFORE * micros(stream.window),
    )

    def season(model: str, environment: str) -> Season | None:
        policy = policy_for(policies, model, environment)
        return policy.rhythm.as_season if policy and policy.rhythm else None

    evidence = EvidenceFolds(
        base_window=micros(stream.window),
        keep=micros(stream.window + stream.allowed_lateness),
        floor=settings.evidence.floor,
        burn_in=settings.evidence.burn_in,
        season_of=season,
    )
    return Monitoring(lambda empty: windows(empty=empty), evidence, known)


class _RefusedError(Exception):
    """The delta profile can't be added to a window."""

    def __init__(self, reason: str, detail: str, delta: Record | None) -> None:
        super().__init__(detail)
        self.reason, self.delta = reason, delta


class Monitor:
    """Delta profiles in, statistics, state and dead letters out."""

    def __init__(
        self,
        releases: Releases,
        topics: Topics,
        settings: Settings,
        kafka: Options,
        now: Clock = microseconds_now,
    ) -> None:
        self._releases, self._topics, self._kafka = releases, topics, kafka
        self._settings, self._now = settings, now
        self._policies = configured(settings)
        self._partitions: dict[int, Monitoring] = {}

    def assigned(self, partition: int) -> None:
        mine = monitoring(self._settings, self._policies, self._releases.release)
        with CommittedLog(self._kafka, self._topics.state("monitor"), partition) as log:
            mine.restore(log.news(), self._now())
        self._partitions[partition] = mine

    def revoked(self, partition: int) -> None:
        self._partitions.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        return int(decode(message.value, "profile")[1]["rows"])

    def idle(self, now: int) -> Iterator[Outgoing]:
        for partition, mine in self._partitions.items():
            for record in mine.published(now):
                key, value = record["model"].encode(), encode("statistic", record)
                yield Outgoing(self._topics.statistics, key, value)
            for name, state in mine.changes():
                yield Outgoing(self._topics.state("monitor"), name, state, partition)

    def process(self, batch: Sequence[Incoming]) -> Iterator[Outgoing]:
        now = self._now()
        accounts = Accounts("monitor")
        for message in batch:
            try:
                self._add(message, now)
            except _RefusedError as error:
                rows = 0
                if error.delta is not None:
                    rows = error.delta["rows"]
                    late = error.reason == "too_late"
                    accounts.refused(error.delta, "rows_late" if late else "rows_dead_lettered")
                yield dead_letter(
                    self._topics, "monitor", message, error.reason, str(error), rows=rows
                )
        yield from self.idle(now)
        yield from account_messages(accounts, self._topics)

    def _add(self, message: Incoming, now: int) -> None:
        try:
            _name, delta = decode(message.value, "profile")
        except UnreadableMessageError as error:
            raise _RefusedError("unreadable", str(error), None) from error
        known = self._releases.release(delta["model"], delta["release"])
        if known is None:
            detail = (
                f"release {delta['release']} of model `{delta['model']}` is not in the registry"
            )
            raise _RefusedError("unknown_release", detail, delta)
        try:
            profile = Profile.from_record(delta, known.reference, known.estimator)
        except ValueError as error:
            raise _RefusedError("wrong_reference", str(error), delta) from error
        if not self._partitions[message.partition].add(delta, profile, now):
            detail = f"its window ended at {delta['window_end']}, longer ago than is allowed"
            raise _RefusedError("too_late", detail, delta)
