"""`PredictionLogger`: what inference code calls."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from kedge.contracts.values import plain_name
from kedge.sdk import connection, lifetimes
from kedge.sdk.arguments import ATOMS, checked, copied, error_name, frame_of, names_of, rows_of
from kedge.sdk.decorator import decorated
from kedge.sdk.events import Frame, Outcome
from kedge.sdk.follower import NoReleaseError
from kedge.sdk.frames import features_of, outputs_of
from kedge.sdk.ids import Names
from kedge.sdk.limits import Limits
from kedge.sdk.messages import said
from kedge.sdk.releases import LiveRelease, Source
from kedge.sdk.sender import Sender
from kedge.sdk.tally import Counts, Kind, Reason, Tally
from kedge.sdk.times import NO_TIME, microseconds

_Function = TypeVar("_Function", bound=Callable[..., Any])

_CLOSED = -1


class PredictionLogger:
    """Logs predictions and outcomes to Kedge; see `kedge.sdk`.

    After construction nothing raises and nothing blocks, whatever the arguments: what can't be
    taken is counted in `counts`, and said by the logger `kedge.sdk` once a minute at most. `flush`
    and `close` are the two that wait, for as long as they are told.

    Threads may share a logger. A forked child may go on using it: it begins with an empty queue and
    zero counts, and makes a thread, a connection and a producer id of its own at its first event.
    At the end of the process, and of a multiprocessing worker, what is queued is sent within
    `exit_timeout`; `os._exit` and signals that kill leave no time for that. A logger lives until it
    is closed or the process ends.

    Args:
        source: which release predicts: a `Follower`, or a `LiveRelease` for good.
        kafka: librdkafka options; those of `KEDGE_KAFKA__…` in the environment by default.
        topic_prefix: prefix of Kedge's topics; `KEDGE_TOPIC_PREFIX` or `kedge` by default.
        environment: tag of where this runs; `KEDGE_ENVIRONMENT` or `production` by default.
        queue_events: most events that wait to be encoded, give or take one a thread; when it is
            full the newest are dropped and counted. Beside it, librdkafka holds encoded messages
            of at most `queue.buffering.max.kbytes` (64 MiB by default).
        batch_rows: most single predictions in one message. Frames are cut by their size only; no
            message is larger than nine tenths of librdkafka's `message.max.bytes`.
        linger: seconds for which events are gathered into a message.
        exit_timeout: seconds that the end of the process waits for delivery.
        spool: folder in which messages are kept until the broker has them, so that a process that
            is killed loses none: the next logger with that folder sends them. Any number of loggers
            and processes may share it. `KEDGE_SPOOL` by default; where that is not set, nothing is
            written to disk.
        spool_bytes: most bytes in that folder; when it is full the newest messages are dropped and
            counted. `KEDGE_SPOOL_BYTES` or 256 MiB by default.

    Raises:
        KedgeError: the configuration is wrong. A broker that is away is no error: it is waited for.
    """

    def __init__(
        self,
        source: Source,
        *,
        kafka: connection.Options | None = None,
        topic_prefix: str | None = None,
        environment: str | None = None,
        queue_events: int = 100_000,
        batch_rows: int = 500,
        linger: float = 0.05,
        exit_timeout: float = 5.0,
        spool: str | Path | None = None,
        spool_bytes: int | None = None,
    ) -> None:
        self._limits = Limits.checked(queue_events, batch_rows, linger, exit_timeout)
        self._source = source
        self._kafka = connection.kafka_options(kafka)
        self._topics = connection.topics(topic_prefix)
        self._environment = connection.environment(environment)
        connection.check(self._kafka, source, self._environment)
        self._spool = connection.spool(spool, spool_bytes)
        self._limit = queue_events
        self._sender = self._begun()
        self._sender.recover()
        lifetimes.enter(self)

    def prediction(
        self,
        features: Mapping[str, Any],
        output: Any,
        *,
        id: Any = None,  # noqa: A002 - the field's name everywhere else
        event_time: Any = None,
        imputed: Any = (),
        latency_ms: float | None = None,
        error: BaseException | str | None = None,
        release: LiveRelease | None = None,
    ) -> str:
        """Log one prediction.

        Args:
            features: what the model was given, by name, after the inference code did its work. The
                mapping is copied, the values are not.
            output: what the model answered: a value, or several by name.
            id: unique name; text is kept as it is (up to 1024 characters), other types as text. By
                default one is made.
            event_time: when; a datetime (UTC unless it has a time zone) or microseconds since 1970
                UTC as an int; now by default.
            imputed: names of the features whose value the inference code filled in.
            latency_ms: how long the inference took.
            error: the exception, or its type's name, if the inference raised; `output` is then
                left out.
            release: which release predicted, if not the live one of the source: for a server that
                took the request before the alias moved.

        Returns:
            The id. The outcome will name it.
        """
        try:
            name = self._names.new() if id is None else self._names.known(id)
        except Exception:  # noqa: BLE001 - the caller's values may do anything
            name = self._names.new()
        try:
            if type(output) not in ATOMS:
                output = copied(output)
            event = (
                name,
                time.time_ns() // 1000 if event_time is None else microseconds(event_time),
                dict(features),
                output,
                names_of(imputed) if imputed else (),
                latency_ms,
                None if error is None else error_name(error),
                self._source.live if release is None else checked(release),
            )
            sender = self._sender
            if len(sender.queue) + sender.surplus >= self._limit:
                self._refuse("prediction", self._full(), 1)
                return name
            sender.queue.append(event)
            if sender.asleep:
                sender.wake()
        except NoReleaseError:
            self._refuse("prediction", "no_release", 1)
        except Exception as problem:  # noqa: BLE001 - the caller's values may do anything
            self._refuse("prediction", "invalid", 1, problem)
        return name

    def batch(
        self,
        features: Any,
        outputs: Any,
        *,
        ids: Any = None,
        event_times: Any = None,
        imputed: Any = None,
        latencies_ms: Any = None,
        release: LiveRelease | None = None,
    ) -> Sequence[str]:
        """Log many predictions: by column, which for arrays of numbers costs next to nothing a row.

        Args:
            features: a mapping of columns (arrays, lists, series), a frame of pandas, polars or
                pyarrow, or a list of mappings. Columns are copied.
            outputs: the same, or one column for a model with one output.
            ids: a unique name for each row, as in `prediction`; made by default.
            event_times: a time for each row, as in `prediction`; now by default. A row whose time
                is none is refused and counted as invalid.
            imputed: masks by feature (a mapping or a frame of booleans), or for each row the names
                of the features that were filled in.
            latencies_ms: how long each inference took.
            release: as in `prediction`.

        Returns:
            The ids, in the order of the rows; none if the arguments could not be read.
        """
        rows = 0
        names: Sequence[str] = ()
        try:
            inputs, answers = features_of(features), outputs_of(outputs)
            rows = rows_of([*inputs.values(), *answers.values()])
            names = self._names.block(rows) if ids is None else self._names.all_known(ids)
            frame = frame_of(
                release=self._source.live if release is None else checked(release),
                ids=names,
                features=inputs,
                outputs=answers,
                event_times=event_times,
                imputed=imputed,
                latencies_ms=latencies_ms,
            )
            self._put_frame(frame)
        except NoReleaseError:
            self._refuse("prediction", "no_release", max(1, rows))
        except Exception as problem:  # noqa: BLE001 - the caller's values may do anything
            self._refuse("prediction", "invalid", max(1, rows), problem)
        return names

    def outcome(self, id: Any, truth: Any, *, known_at: Any = None) -> None:  # noqa: A002
        """Log the ground truth of a prediction; again if it is corrected, the latest holds.

        Args:
            id: of the prediction.
            truth: what really was.
            known_at: when that became known, as `event_time` in `prediction`; now by default.
        """
        try:
            name = plain_name(id)
            if id is None or not name:
                raise ValueError("an outcome names its prediction")  # noqa: TRY301
            outcome = Outcome(
                name,
                self._source.model,
                copied(truth),
                time.time_ns() // 1000 if known_at is None else microseconds(known_at),
            )
            if self._sender.queued >= self._limit:
                self._refuse("outcome", self._full(), 1)
                return
            self._sender.put(outcome)
        except Exception as problem:  # noqa: BLE001 - the caller's values may do anything
            self._refuse("outcome", "invalid", 1, problem)

    @overload
    def logged(self, function: _Function, /) -> _Function: ...

    @overload
    def logged(self, /, *, features: str) -> Callable[[_Function], _Function]: ...

    def logged(self, function: Any = None, /, *, features: str | None = None) -> Any:
        """Decorate a predict function: log its features, output, latency, and what it raises.

            @log.logged
            def predict(features): ...

            @log.logged(features="flight")
            def predict(session, flight): ...

        The function may be a coroutine or a method. The features are those at the call, and the
        release is the one that was live then. An exception is logged by its type and raised on.

        Args:
            function: to be decorated.
            features: name of the parameter that has the features: by default the one called
                `features`, else the first but `self` and `cls`.

        Raises:
            KedgeError: the function has no such parameter.
        """
        if function is None:
            return functools.partial(decorated, self, features)
        return decorated(self, features, function)

    @property
    def source(self) -> Source:
        """Says which release is live."""
        return self._source

    @property
    def counts(self) -> Counts:
        """What became of the events of this process so far."""
        return self._sender.counts()

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait until what was logged before is delivered, or lost and counted.

        Returns:
            False if that took longer than `timeout` seconds; it goes on nevertheless.
        """
        return self._sender.flush(timeout)

    def close(self, timeout: float = 10.0) -> bool:
        """Send what is queued and end; what is logged afterwards is refused.

        Returns:
            False if something could not be delivered within `timeout` seconds: it is then counted
            as undelivered, or as spooled if it lies on disk.
        """
        self._limit = _CLOSED
        lifetimes.leave(self)
        before = self._sender.counts().undelivered
        self._sender.stop(timeout)
        after = self._sender.counts()
        return after.pending == after.spooled == 0 and after.undelivered == before

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def after_fork(self) -> None:
        """Begin with an empty queue, new names and a new producer id."""
        self._sender.abandon()
        self._sender = self._begun()

    def at_exit(self) -> None:
        """Send what is queued, in bounded time."""
        self.close(self._limits.exit_timeout)

    def _begun(self) -> Sender:
        self._names = Names()
        self._tally = Tally()
        return Sender(
            source=self._source,
            kafka=self._kafka,
            topics=self._topics,
            environment=self._environment,
            limits=self._limits,
            tally=self._tally,
            spool=self._spool,
        )

    def _put_frame(self, frame: Frame) -> None:
        timed = frame.event_times != NO_TIME
        if not timed.all():
            self._refuse("prediction", "invalid", int((~timed).sum()), ValueError("no event time"))
            frame = frame.take(timed)
        room = max(0, self._limit - self._sender.queued)
        if frame.rows > room:
            self._refuse("prediction", self._full(), frame.rows - room)
            frame = frame.cut(0, room)
        if frame.rows:
            self._sender.put(frame)

    def _full(self) -> Reason:
        return "closed" if self._limit == _CLOSED else "queue_full"

    def _refuse(
        self, kind: Kind, reason: Reason, events: int, problem: Exception | None = None
    ) -> None:
        self._tally.drop(kind, reason, events, "" if problem is None else said(problem))
        # The background thread will say it.
        if self._sender.asleep:
            self._sender.wake()
