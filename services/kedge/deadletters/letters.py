"""The topic of dead letters, read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import structlog
from confluent_kafka import KafkaException

from kedge.contracts import Topics, UnreadableMessageError, decode
from kedge.errors import KedgeError
from kedge.streams import CommittedLog, Incoming
from kedge.streams.clients import Options, admin

_TIMEOUT = 30.0

_log = structlog.get_logger(__name__)


class Place(NamedTuple):
    """Where a letter stands in the topic of dead letters: its name for people."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


def place_of(text: str) -> Place:
    """The place that is written as `partition/offset`.

    >>> place_of("3/17")
    Place(partition=3, offset=17)

    Raises:
        KedgeError: it is written otherwise.
    """
    partition, _, offset = text.partition("/")
    if not (text.isascii() and partition.isdigit() and offset.isdigit()):
        raise KedgeError(
            f"`{text}` names no dead letter: write partition/offset, for example 3/17, as "
            "`kedge deadletters list` shows it"
        )
    return Place(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter.

    Attributes:
        place: where it stands.
        at: when the message was given up, microseconds since 1970.
        service: who gave it up.
        reason: a code of the documented list.
        detail: what exactly was wrong.
        rows: predictions in it that were given up; 0 where nobody can know.
        message: what was given up, whole, as it was read.
        size: bytes of its value; None where it has none.
        left_out: bytes of the message that are not here, as the letter would have been too large;
            `Letters.completed` has them.
    """

    place: Place
    at: int
    service: str
    reason: str
    detail: str
    rows: int
    message: Incoming
    size: int | None
    left_out: int = 0

    def without_value(self) -> Letter:
        """The same to be held by the thousand: all of it but the bytes of the message."""
        return replace(self, message=replace(self.message, value=None))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters; None leaves open.

    Attributes:
        service: who gave them up.
        reason: why.
        since: given up at this time or later, microseconds since 1970.
    """

    service: str | None = None
    reason: str | None = None
    since: int | None = None

    def __contains__(self, letter: Letter) -> bool:
        return (
            self.service in (None, letter.service)
            and self.reason in (None, letter.reason)
            and (self.since is None or letter.at >= self.since)
        )


class Letters:
    """All dead letters under one prefix of topics.

    Raises:
        KedgeError: the broker does not answer, or has no topic of dead letters.
    """

    def __init__(self, kafka: Options, topics: Topics) -> None:
        self._kafka, self._topics = kafka, topics
        try:
            known = admin(kafka).list_topics(timeout=_TIMEOUT).topics
        except KafkaException as error:
            raise KedgeError(
                f"the broker does not answer: {error}. See `kedge broker status`."
            ) from error
        if topics.deadletter not in known:
            raise KedgeError(
                f"there is no topic {topics.deadletter}: is KEDGE_TOPIC_PREFIX right? "
                "`kedge up` makes the topics."
            )
        self._partitions = sorted(known[topics.deadletter].partitions)
        replays = known.get(topics.state("deadletters"))
        self._replays = [] if replays is None else sorted(replays.partitions)

    def find(self, selection: Selection) -> Iterator[Letter]:
        """The letters selected, partition after partition, the oldest of each first."""
        for partition in self._partitions:
            for letter in self._from(Place(partition, 0)):
                if letter in selection:
                    yield letter

    def at(self, place: Place) -> Letter:
        """One letter.

        Raises:
            KedgeError: there is none.
        """
        (letter,) = self.each([place])
        return letter

    def each(self, places: list[Place]) -> Iterator[Letter]:
        """The letters at these places.

        Raises:
            KedgeError: there is none at one of them.
        """
        for partition in sorted({place.partition for place in places}):
            wanted = {place for place in places if place.partition == partition}
            if partition in self._partitions:
                for letter in self._from(min(wanted)):
                    if letter.place in wanted:
                        wanted.remove(letter.place)
                        yield letter
                    if not wanted:
                        break
            if wanted:
                raise KedgeError(
                    f"there is no dead letter {min(wanted)} in {self._topics.deadletter}; "
                    "`kedge deadletters list` shows those there are"
                )

    def completed(self, letter: Letter) -> Letter:
        """The letter with its whole message, read where it came from if it had to be left out.

        Raises:
            KedgeError: it is there no more.
        """
        if not letter.left_out:
            return letter
        where = letter.message
        with CommittedLog(self._kafka, where.topic, where.partition, where.offset) as log:
            message = next(log.arrivals(), None)
        if message is None or message.offset != where.offset:
            raise KedgeError(
                f"dead letter {letter.place} is without its message, which was too large for "
                f"{self._topics.deadletter}; and {where.topic} has it no more at "
                f"{where.partition}/{where.offset}"
            )
        return replace(letter, message=message, size=len(message.value or b""))

    def replayed(self) -> dict[Place, int]:
        """When each letter that was replayed was so last, in microseconds since 1970."""
        times: dict[Place, int] = {}
        for partition in self._replays:
            with CommittedLog(self._kafka, self._topics.state("deadletters"), partition) as log:
                for key, value in log.news():
                    if value is not None:
                        times[place_of(key.decode())] = json.loads(value)["at"]
        return times

    def _from(self, start: Place) -> Iterator[Letter]:
        with CommittedLog(
            self._kafka, self._topics.deadletter, start.partition, start.offset
        ) as log:
            for message in log.arrivals():
                try:
                    yield _letter(message)
                except UnreadableMessageError as error:
                    _log.warning("no_dead_letter", offset=message.offset, error=str(error))


def _letter(message: Incoming) -> Letter:
    _name, record = decode(message.value, "dead_letter")
    return Letter(
        Place(message.partition, message.offset),
        message.timestamp,
        record["service"],
        record["reason"],
        record["detail"],
        record["rows"],
        Incoming(
            record["topic"],
            record["partition"],
            record["offset"],
            record["timestamp"],
            record["key"],
            record["value"],
            tuple((header["name"], header["value"]) for header in record["headers"]),
        ),
        None if record["value"] is None else len(record["value"]),
        record["left_out"],
    )
