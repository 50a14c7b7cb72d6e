"""Dead letters sent once more to where they were read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from confluent_kafka import KafkaException, Producer

from kedge.clock import microseconds_now
from kedge.contracts import Topics
from kedge.deadletters.letters import Letter, Letters, Place
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.streams.clients import Options, producer
from kedge.streams.topics import create_topics

REPLAY_HEADER = "kedge-replay-of"
"""Header of a message that is a replay: the place of its letter, as in `3/17`."""

_TIMEOUT = 30.0
_TRANSACTION_TIMEOUT_MS = 60_000
"""How long a replay may take; also how long one that was killed holds readers back."""


def replay(
    kafka: Options,
    settings: Settings,
    places: Sequence[Place],
    *,
    again: bool = False,
    on_sent: Callable[[Letter], None] = lambda _: None,
) -> None:
    """Send the messages of these letters to their topics and partitions: all of them or none.

    Each goes with its bytes, its key, its headers and `REPLAY_HEADER`. That it was replayed is
    noted in the same transaction, under one transactional id for everybody: whoever starts a replay
    ends the one before it, and only then reads which letters were replayed. So no letter is
    replayed twice, whoever is killed when and however many start at once.

    Args:
        kafka: librdkafka options.
        settings: the prefix of the topics and how to make them.
        places: of the letters.
        again: replay also what was replayed before.
        on_sent: called after each.

    Raises:
        KedgeError: a letter does not exist or was replayed before, its message is gone, or the
            broker refused.
    """
    topics = Topics(settings.topic_prefix)
    create_topics(kafka, settings)
    letters = Letters(kafka, topics)
    sender = producer(
        kafka,
        transactional_id=f"{settings.topic_prefix}.deadletters",
        transaction_timeout_ms=_TRANSACTION_TIMEOUT_MS,
    )
    try:
        # Ends the replay before this one, so what is read next is the last word.
        _insist(lambda: sender.init_transactions(_TIMEOUT))
        if not again:
            _refuse_second(letters, places)
        sender.begin_transaction()
        try:
            for letter in letters.each(list(places)):
                _send(sender, topics, letters.completed(letter))
                on_sent(letter)
            _insist(lambda: sender.commit_transaction(_TIMEOUT))
        except BaseException:
            # Left open, it would hold readers back. What can't be aborted, the broker ends.
            with suppress(KafkaException):
                sender.abort_transaction(_TIMEOUT)
            raise
    except KafkaException as error:
        raise KedgeError(
            f"the broker refused the replay: {error}. It is all or nothing: "
            "`kedge deadletters list` shows which letters were replayed."
        ) from error


def _refuse_second(letters: Letters, places: Sequence[Place]) -> None:
    replayed = letters.replayed()
    before = [place for place in places if place in replayed]
    if before:
        raise KedgeError(
            f"replayed before: {', '.join(map(str, before))}. Nothing was replayed now. A message "
            "that is processed twice counts twice; if that is what you want, say --again."
        )


def _send(sender: Producer, topics: Topics, letter: Letter) -> None:
    message = letter.message
    headers: list[tuple[str, str | bytes | None]] = [
        header for header in message.headers if header[0] != REPLAY_HEADER
    ]
    headers.append((REPLAY_HEADER, str(letter.place).encode()))
    note = json.dumps({"at": microseconds_now()}).encode()
    notes = topics.state("deadletters")
    _patiently(
        sender,
        lambda: sender.produce(
            message.topic, message.value, message.key, message.partition, headers=headers
        ),
    )
    _patiently(sender, lambda: sender.produce(notes, note, str(letter.place).encode()))


def _patiently(sender: Producer, produce: Callable[[], object]) -> None:
    """Produce as soon as there is room."""
    while True:
        try:
            produce()
        except BufferError:
            sender.poll(0.1)
        else:
            return


def _insist(call: Callable[[], object]) -> None:
    """Repeat `call` while its failure is passing, for a while."""
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
        else:
            return
