"""What a service does with its messages, and which these are: what the loop has to know of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kedge.streams.messages import Incoming, Outgoing


class TryAgainError(Exception):
    """The micro-batch can't be processed now, through no fault of its messages."""


class Processor(Protocol):
    """What a service does with its messages.

    State is kept by partition of the input. Whatever `process` and `idle` change of it has to be
    among their outputs, so that `assigned` finds it again.
    """

    def assigned(self, partition: int) -> None:
        """Take the partition's state from the topics, forgetting what was in memory."""

    def revoked(self, partition: int) -> None:
        """Forget the partition's state."""

    def process(self, batch: Sequence[Incoming]) -> Iterable[Outgoing]:
        """The outputs of a micro-batch.

        Raises:
            UnreadableMessageError: a message can't be read.
            TryAgainError: something else than the messages stands in the way.
        """

    def rows(self, message: Incoming) -> int:
        """Predictions in a message that is given up; 0 where nobody can know."""

    def idle(self, now: int) -> Iterable[Outgoing]:
        """The outputs that time alone brings; `now` is in microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a loop reads, and as whom."""

    topic: str
    service: str
    group: str
