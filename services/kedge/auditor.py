"""The auditor: accounts of what became of predictions become statistics of conservation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from threading import Event

from kedge.broker import connection
from kedge.clock import microseconds_now
from kedge.contracts import Topics, decode, encode
from kedge.settings import Settings, StreamSettings, micros
from kedge.statistics import conservation_statistics
from kedge.streams import CommittedLog, Incoming, Outgoing, Source, run_transactionally
from kedge.streams.audit import Audit, Audited
from kedge.streams.clients import Options


def run(settings: Settings, stop: Event) -> None:
    """Run one auditor until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    source = Source(topics.accounts, "auditor", f"{settings.topic_prefix}.auditor")
    run_transactionally(source, Auditor(topics, settings.stream, kafka), kafka, settings, stop)


class Auditor:
    """Accounts in, statistics and state out."""

    def __init__(self, topics: Topics, stream: StreamSettings, kafka: Options) -> None:
        self._topics, self._stream, self._kafka = topics, stream, kafka
        self._audits: dict[int, Audit] = {}

    def assigned(self, partition: int) -> None:
        stream = self._stream
        audit = Audit(
            window=micros(stream.window),
            grace=micros(stream.missing_grace),
            give_up_after=micros(stream.missing_given_up),
            idle_after=micros(stream.idle_after),
            most_producers=stream.producers,
        )
        with CommittedLog(self._kafka, self._topics.state("auditor"), partition) as log:
            audit.restore(log.news(), microseconds_now())
        self._audits[partition] = audit

    def revoked(self, partition: int) -> None:
        self._audits.pop(partition, None)

    def rows(self, message: Incoming) -> int:
        """An account has no predictions of its own."""
        del message
        return 0

    def idle(self, now: int) -> Iterator[Outgoing]:
        for partition, audit in self._audits.items():
            yield from self._statistics(audit.quiet(now))
            for name, state in audit.changes():
                yield Outgoing(self._topics.state("auditor"), name, state, partition)

    def process(self, batch: Sequence[Incoming]) -> Iterator[Outgoing]:
        now = microseconds_now()
        for message in batch:
            _name, account = decode(message.value, "account")
            audit = self._audits[message.partition]
            yield from self._statistics(audit.take(account, message.offset, message.timestamp, now))
        yield from self.idle(now)

    def _statistics(self, ended: Iterable[Audited]) -> Iterator[Outgoing]:
        for window in ended:
            model, environment, release = window.served
            record = {
                "model": model,
                "model_version": window.model_version,
                "code_version": window.code_version,
                "release": release,
                "environment": environment,
                "clock": "broker",
                "window_start": window.start,
                "window_end": window.end,
                "revision": 0,
                "rows": window.counts.received,
                "errors": 0,
                "statistics": [s.to_record() for s in conservation_statistics(window.counts)],
            }
            yield Outgoing(self._topics.statistics, model.encode(), encode("statistic", record))
