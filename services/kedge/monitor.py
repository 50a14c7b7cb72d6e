"""The monitor: delta profiles become windows, and closed windows become statistics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from threading import Event

from kedge.broker import connection
from kedge.clock import Clock, microseconds_now
from kedge.contracts import Record, Topics, UnreadableMessageError, decode, encode
from kedge.performance import estimates
from kedge.policies import configured
from kedge.policy import policy_for
from kedge.profile import Profile, Reference
from kedge.settings import Settings, micros
from kedge.statistics import (
    WINDOWS_BEFORE,
    Past,
    Season,
    Traffic,
    operational_statistics,
    trend_statistics,
    window_statistics,
)
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
from kedge.streams.window import Window, WindowKey
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
        self._stream, self._now = settings.stream, now
        self._evidence_settings, self._policies = settings.evidence, configured(settings)
        self._windows: dict[int, Windows] = {}
        self._evidence: dict[int, EvidenceFolds] = {}

    def assigned(self, partition: int) -> None:
        stream = self._stream
        windows = Windows(
            out_of_orderness=micros(stream.out_of_orderness),
            allowed_lateness=micros(stream.allowed_lateness),
            idle_after=micros(stream.idle_after),
            longer=[micros(length) for length in stream.longer_windows],
            slide=micros(stream.slide_of_longer),
            silence=micros(stream.silence),
            history=WINDOWS_BEFORE * micros(stream.window),
            empty=self._empty,
        )
        with CommittedLog(self._kafka, self._topics.state("monitor"), partition) as log:
            state = list(log.news())
        evidence = EvidenceFolds(
            base_window=micros(stream.window),
            keep=micros(stream.window + stream.allowed_lateness),
            floor=self._evidence_settings.floor,
            burn_in=self._evidence_settings.burn_in,
            season_of=self._season,
        )
        windows.restore(
            [(name, value) for name, value in state if not evidence.restore(name, value)],
            self._now(),
        )
        self._windows[partition], self._evidence[partition] = windows, evidence

    def _season(self, model: str, environment: str) -> Season | None:
        policy = policy_for(self._policies, model, environment)
        return policy.rhythm.as_season if policy and policy.rhythm else None

    def revoked(self, partition: int) -> None:
        self._windows.pop(partition, None)
        self._evidence.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        return int(decode(message.value, "profile")[1]["rows"])

    def idle(self, now: int) -> Iterator[Outgoing]:
        for partition, windows in self._windows.items():
            for key, window in windows.close(now):
                told = windows.traffic(key, window), windows.past(key, window)
                yield self._statistics(key, window, *told, self._evidence[partition])
            for name, state in (*windows.changes(), *self._evidence[partition].changes()):
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
        if not self._windows[message.partition].add(delta, profile, now):
            detail = f"its window ended at {delta['window_end']}, longer ago than is allowed"
            raise _RefusedError("too_late", detail, delta)

    def _empty(self, key: WindowKey) -> Profile:
        return Profile.empty(self._reference(key.model, key.release))

    def _statistics(
        self,
        key: WindowKey,
        window: Window,
        traffic: Traffic,
        past: Sequence[Past],
        evidence: EvidenceFolds,
    ) -> Outgoing:
        profile, known = window.profile, self._known(key.model, key.release)
        statistics = (
            *window_statistics(profile, known.reference),
            *(trend_statistics(past, known.reference) if profile.rows else ()),
            *operational_statistics(profile, traffic),
            *estimates(known.estimator, known.reference, profile.expectation),
            *evidence.statistics(key, window, partial(self._reference, key.model)),
        )
        record = {
            "model": key.model,
            "model_version": window.model_version,
            "code_version": window.code_version,
            "release": key.release,
            "environment": key.environment,
            "window_start": key.start,
            "window_end": window.end,
            "revision": window.revision,
            "rows": profile.rows,
            "errors": profile.errors,
            "statistics": [s.to_record() for s in statistics],
        }
        return Outgoing(self._topics.statistics, key.model.encode(), encode("statistic", record))

    def _known(self, model: str, number: int) -> KnownRelease:
        known = self._releases.release(model, number)
        assert known is not None, "a window's release was known when its first delta was added"
        return known

    def _reference(self, model: str, number: int) -> Reference:
        return self._known(model, number).reference
