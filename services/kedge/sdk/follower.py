"""Follow an alias: which release is live, and when that changes."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from kedge.contracts import UnreadableMessageError, decode
from kedge.errors import KedgeError
from kedge.sdk import lifetimes
from kedge.sdk.connection import Options, kafka_options, refused, topics
from kedge.sdk.releases import LiveRelease

_log = logging.getLogger("kedge.sdk")

_DEFAULTS: dict[str, Any] = {
    "client.id": "kedge-sdk",
    # No group is joined and nothing is committed: a name is all that the client wants.
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    # A topic that is not there yet is looked for again soon.
    "topic.metadata.propagation.max.ms": 2000,
    "socket.keepalive.enable": True,
    "log_level": 2,
}
_POLL = 0.2
_RETRY = 1.0
_BETWEEN_REPORTS = 60.0


class NoReleaseError(KedgeError, LookupError):
    """No release is live under the alias, as far as is known here."""


def follow(
    model: str,
    alias: str = "production",
    kafka: Options | None = None,
    *,
    topic_prefix: str | None = None,
) -> Follower:
    """Follow `alias` of `model` from now on, on a background thread.

    Args:
        model: name of the model, as in the registry.
        alias: name of the alias.
        kafka: librdkafka options; those of `KEDGE_KAFKA__…` in the environment by default.
        topic_prefix: prefix of Kedge's topics; `KEDGE_TOPIC_PREFIX` or `kedge` by default.

    Raises:
        KedgeError: the options are wrong. A broker that is away is no error: it is waited for.
    """
    return Follower(model, alias, kafka, topic_prefix=topic_prefix)


class Follower:
    """Knows the release that an alias points at; see `follow`.

    While the broker is away the last known release stays live. Usable in forked children too: they
    begin with what the parent knew, and follow by themselves.
    """

    def __init__(
        self,
        model: str,
        alias: str = "production",
        kafka: Options | None = None,
        *,
        topic_prefix: str | None = None,
    ) -> None:
        for what, name in (("model", model), ("alias", alias)):
            if not isinstance(name, str) or not name:
                raise KedgeError(f"{what} is {name!r}, where a name is due: follow('flights')")
        self._model = model
        self._alias = alias
        self._key = f"alias/{model}/{alias}".encode()
        self._kafka = kafka_options(kafka)
        self._topic = topics(topic_prefix).releases
        self._callbacks: list[Callable[[LiveRelease], object]] = []
        self._live: LiveRelease | None = None
        self._reset()
        # Here, so that wrong options are an error of the constructor and not of the thread.
        with lifetimes.changing_clients():
            self._open().close()
        lifetimes.enter(self)
        self._start()

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._model

    @property
    def alias(self) -> str:
        """Name of the alias."""
        return self._alias

    @property
    def live(self) -> LiveRelease:
        """The release that the alias points at.

        Raises:
            NoReleaseError: it points at none yet, or that is not known here yet.
        """
        live = self._live
        if live is None:
            raise NoReleaseError(self._nothing())
        return live

    def wait(self, timeout: float) -> LiveRelease:
        """The live release, once there is one; the newest that the broker has.

        Raises:
            NoReleaseError: there is none after `timeout` seconds.
        """
        if not self._first.wait(timeout):
            raise NoReleaseError(f"{self._nothing()} (waited {timeout:g} s)")
        return self.live

    def on_change(self, callback: Callable[[LiveRelease], object]) -> None:
        """Call `callback` with each release that becomes live from now on.

        It is called on the follower's thread, so a slow one delays the next change; `live` has the
        new release already. What it raises is logged.
        """
        self._callbacks.append(callback)

    def close(self) -> None:
        """Follow no longer; `live` stays what it was."""
        lifetimes.leave(self)
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

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
        """In a child: follow with a thread and a connection of its own."""
        self._reset()
        self._start()

    def at_exit(self) -> None:
        """Nothing is to be finished: the thread ends with the process."""

    def _reset(self) -> None:
        self._first = threading.Event()
        if self._live is not None:
            self._first.set()
        self._stop = threading.Event()
        self._reached = False
        self._trouble = ""
        self._next_report = 0.0

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="kedge-follow", daemon=True)
        self._thread.start()

    def _nothing(self) -> str:
        what = f"alias {self._alias!r} of model {self._model!r}"
        if self._reached:
            return (
                f"{what} points at no release: {self._topic} was read to its end. Create a "
                "release in the registry and move the alias to it; names count case"
            )
        trouble = f" ({self._trouble})" if self._trouble else ""
        where = self._kafka["bootstrap.servers"]
        return f"{what} is not known yet: {self._topic} at {where} has not been read{trouble}"

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._read()
            except Exception as error:  # noqa: BLE001 - whatever it was: say it, and read again
                self._say(f"{type(error).__name__}: {error}")
                self._stop.wait(_RETRY)

    def _open(self) -> Consumer:
        def note(error: KafkaError) -> None:
            self._say(error.str())

        options = {**_DEFAULTS, "error_cb": note, "group.id": f"kedge-follow-{uuid.uuid4()}"}
        try:
            with lifetimes.changing_clients():
                return Consumer({**options, **self._kafka})
        except (KafkaException, ValueError, TypeError) as error:
            raise refused(error) from error

    def _read(self) -> None:
        """Read from the beginning until stopped.

        What the topic held before is not served move by move: only when the end is reached for the
        first time is the newest move known. After that each move counts as it comes.
        """
        # Nothing but this frame holds the consumer: in a forked child the frame stays as it was
        # for ever, so that the parent's client is not torn down there.
        consumer = self._open()
        try:
            consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])
            newest: LiveRelease | None = None
            at_end = False
            while not self._stop.is_set():
                message = consumer.poll(_POLL)
                if message is None:
                    continue
                problem = message.error()
                if problem is None:
                    newest = _newer(self._move(message), newest)
                elif problem.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    at_end = self._reached = True
                else:
                    raise KafkaException(problem)
                if at_end:
                    self._swap(newest)
        finally:
            with lifetimes.changing_clients():
                consumer.close()

    def _move(self, message: Message) -> LiveRelease | None:
        """The move of our alias that a message tells of, if it does."""
        if message.key() != self._key or message.value() is None:
            return None
        try:
            _, record = decode(message.value(), "release_event")
        except UnreadableMessageError as error:
            self._say(f"{self._topic} at offset {message.offset()}: {error}")
            return None
        move = record["alias"]
        if move is None:
            return None
        return LiveRelease(
            model=record["model"],
            number=move["to_release"],
            model_version=move["model_version"],
            code_version=move["code_version"],
            alias=move["name"],
            generation=move["generation"],
            share=move["share"],
        )

    def _swap(self, newest: LiveRelease | None) -> None:
        if newest is None or newest is self._live or _newer(newest, self._live) is self._live:
            return
        self._live = newest
        self._first.set()
        _log.info(
            "%s of %s is release %d now (generation %d)",
            self._alias,
            self._model,
            newest.number,
            newest.generation,
        )
        for callback in tuple(self._callbacks):
            try:
                callback(newest)
            except Exception:  # noqa: BLE001 - the user's code may raise anything
                _log.exception("a callback of on_change failed")

    def _say(self, trouble: str) -> None:
        """Log trouble, once a minute at most; it costs nothing while a release is known."""
        self._trouble = trouble
        if (now := time.monotonic()) >= self._next_report:
            self._next_report = now + _BETWEEN_REPORTS
            _log.warning("following %s of %s: %s", self._alias, self._model, trouble)


def _newer(one: LiveRelease | None, other: LiveRelease | None) -> LiveRelease | None:
    """The one of the later generation; `other` where they are of the same."""
    if one is None or (other is not None and one.generation <= other.generation):
        return other
    return one
