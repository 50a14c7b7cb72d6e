"""Events turned into messages of a size that the broker takes, numbered so that a gap is seen."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kedge.contracts import PredictionBatch, Producer, Topics, encode, encode_batch
from kedge.contracts.values import plain
from kedge.sdk.events import Outcome, Pause, Rows
from kedge.sdk.releases import LiveRelease
from kedge.sdk.tally import Kind, Tally

_LONGEST = 2**63


@dataclass(frozen=True, slots=True)
class Message:
    """Ready to be produced."""

    topic: str
    key: bytes | None
    value: bytes
    kind: Kind
    events: int


class Messages:
    """Writes and numbers the messages of one logger in one process.

    Predictions and outcomes are numbered apart, each under a producer id of its own: whoever reads
    one of the topics sees numbers without gaps unless something was lost. An event gets its number
    when its message has been written. So what is dropped before (the queue was full, the event
    could not be written) has none and is in the `dropped` of the next message; what the broker did
    not take afterwards has one, and is a gap. No event is in both.

    A message that can't be written, or is too large, is halved until the event that is the reason
    stands alone: one bad event costs no other.
    """

    def __init__(
        self,
        topics: Topics,
        environment: str,
        largest: int,
        tally: Tally,
        *,
        pause: Pause,
        room: Callable[[Message], bool],
    ) -> None:
        self._topics = topics
        self._environment = environment
        self._largest = largest
        self._tally = tally
        self._pause = pause
        self._room = room
        self._producers: dict[Kind, str] = {
            "prediction": str(uuid.uuid4()),
            "outcome": str(uuid.uuid4()),
        }
        self._sequences: dict[Kind, int] = {"prediction": 0, "outcome": 0}
        # How many dropped predictions the last message told of.
        self._told = 0

    def of_rows(self, rows: Rows) -> Iterator[Message]:
        """The messages that predictions of one release take."""
        try:
            fit = max(1, self._largest // rows.bytes_a_row())
        except Exception:  # noqa: BLE001 - keys of the caller may do anything when compared
            fit = rows.rows
        for start in range(0, rows.rows, fit):
            yield from self._halved(rows.cut(start, start + fit) if fit < rows.rows else rows)

    def of_outcome(self, outcome: Outcome) -> Iterator[Message]:
        """The message of an outcome; none if it can't be written."""
        try:
            value = encode(
                "outcome",
                {
                    "prediction_id": outcome.id,
                    "model": outcome.model,
                    "environment": self._environment,
                    "known_at": outcome.known_at,
                    "truth": _truth(outcome.truth),
                    "producer": self._record("outcome"),
                },
            )
        except Exception as error:  # noqa: BLE001 - the caller's values may do anything
            self._tally.drop("outcome", "unencodable", 1, said(error))
            return
        if len(value) > self._largest:
            self._tally.drop("outcome", "oversized", 1)
            return
        yield from self._numbered(
            Message(self._topics.outcomes, outcome.id.encode(), value, "outcome", 1)
        )

    def _halved(self, rows: Rows) -> Iterator[Message]:
        problem = None
        producer = self._numbering()
        try:
            value = encode_batch(rows.batch(self._environment, producer, self._pause))
        except Exception as error:  # noqa: BLE001 - the caller's values may do anything
            problem = error
        else:
            if len(value) <= self._largest:
                for numbered in self._numbered(self._of_batch(value, rows.rows)):
                    self._told = producer.dropped
                    yield numbered
                return
        if rows.rows > 1:
            half = rows.rows // 2
            yield from self._halved(rows.cut(0, half))
            yield from self._halved(rows.cut(half, rows.rows))
        elif problem is None:
            self._tally.drop("prediction", "oversized", 1)
        else:
            self._tally.drop("prediction", "unencodable", 1, said(problem))

    @property
    def untold(self) -> bool:
        """Whether predictions were dropped of which no message has told."""
        return self._tally.unnumbered("prediction") > self._told

    def of_drops(self, release: LiveRelease) -> Iterator[Message]:
        """A message without predictions, that tells how many were dropped; if there is room.

        Raises:
            ValueError: the release can't stand in a message.
        """
        producer = self._numbering()
        empty = PredictionBatch(
            release.tags(self._environment),
            (),
            np.zeros(0, np.int64),
            np.zeros(0, np.float32),
            (),
            producer=producer,
        )
        message = self._of_batch(encode_batch(empty), 0)
        if self._room(message):
            self._told = producer.dropped
            yield message

    def _of_batch(self, value: bytes, rows: int) -> Message:
        # A message sent again has to come to the partition where it is remembered.
        key = self._producers["prediction"].encode()
        return Message(self._topics.predictions, key, value, "prediction", rows)

    def _numbered(self, message: Message) -> Iterator[Message]:
        """The message, unless there is no room for it: what it has is then dropped."""
        if not self._room(message):
            self._tally.drop(message.kind, "spool_full", message.events)
            return
        self._sequences[message.kind] += message.events
        yield message

    def _numbering(self, kind: Kind = "prediction") -> Producer:
        return Producer(self._producers[kind], self._sequences[kind], self._tally.unnumbered(kind))

    def _record(self, kind: Kind) -> dict[str, Any]:
        producer = self._numbering(kind)
        return {"id": producer.id, "sequence": producer.sequence, "dropped": producer.dropped}


def _truth(value: Any) -> Any:
    known = plain(value)
    if isinstance(known, np.ndarray):
        return known.tolist()
    if isinstance(known, int) and not -_LONGEST <= known < _LONGEST:
        return float(known)
    return known


def said(error: BaseException) -> str:
    """What an exception says, as far as it can be had: its class may be the caller's."""
    name = str(plain(error)).strip("<>")
    text = ""
    with contextlib.suppress(Exception):
        text = str(plain(str(error)))
    return f"{name}: {text}" if text else name
