"""Messages that the real broker refuses as too large, whatever is tried: given up by one rule."""

import os
from collections import Counter

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from kedge.contracts import Topics, decode
from kedge.deadletters import Letters, Place, Selection
from kedge.deadletters import replay as replay_letters
from kedge.errors import KedgeError
from kedge.streams import Incoming, Outgoing, Source, run_transactionally
from kedge.streams.clients import admin
from kedge.streams.messages import dead_letter, shortened
from services import committed, eventually, produce, running

SMALL = 4000
"""Most bytes of a message in a topic that was made small."""


def _limit(settings, topic):
    entry = ConfigEntry(
        "max.message.bytes", str(SMALL), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = admin(settings.kafka)
    for done in client.incremental_alter_configs([resource]).values():
        done.result()
    asked = ConfigResource(ResourceType.TOPIC, topic)
    # The broker takes it in after it has answered.
    eventually(
        lambda: client.describe_configs([asked])[asked].result()["max.message.bytes"].value,
        lambda value: value == str(SMALL),
    )


class PassOn:
    """Passes numbers on; `#` is passed on as more than fits, `!` is an error."""

    def __init__(self, settings):
        self._topics = Topics(settings.topic_prefix)

    def assigned(self, partition):
        pass

    revoked = assigned

    def rows(self, _message):
        return 3

    def idle(self, _now):
        return ()

    def process(self, batch):
        for message in batch:
            if message.value.startswith(b"!"):
                raise ValueError("poison")
            much = os.urandom(10 * SMALL) if message.value.startswith(b"#") else b""
            yield Outgoing(self._topics.statistics, None, message.value + much)


def _run(settings, stop):
    source = Source(
        Topics(settings.topic_prefix).predictions, "any", f"{settings.topic_prefix}.any"
    )
    run_transactionally(source, PassOn(settings), settings.kafka, settings, stop)


def _given_up(settings, values, letters):
    """What comes of these messages: what was passed on, and so many letters."""
    topics = Topics(settings.topic_prefix)
    produce(settings.kafka, topics.predictions, values, b"one")
    with running(_run, settings=settings):
        eventually(
            lambda: len(committed(settings.kafka, topics.statistics)),
            lambda n: n == len(values) - letters,
        )
        found = eventually(
            lambda: committed(settings.kafka, topics.deadletter),
            lambda found: len(found) == letters,
        )
    passed_on = committed(settings.kafka, topics.statistics)
    return passed_on, [decode(letter, "dead_letter")[1] for letter in found]


NUMBERS = [b"%d" % number for number in range(50)]


def test_a_message_with_an_output_that_is_refused_becomes_a_dead_letter(settings):
    topics = Topics(settings.topic_prefix)
    _limit(settings, topics.statistics)
    passed_on, letters = _given_up(settings, [*NUMBERS[:20], b"#1", *NUMBERS[20:], b"#2"], 2)
    assert Counter(passed_on) == Counter(NUMBERS)
    assert {letter["value"] for letter in letters} == {b"#1", b"#2"}
    for letter in letters:
        assert (letter["reason"], letter["rows"], letter["left_out"]) == ("too_large", 3, 0)
        assert f"{topics.statistics} takes no message as large" in letter["detail"]


def test_so_it_is_where_the_client_refuses_by_itself(make_settings):
    made = make_settings()
    settings = made.model_copy(update={"kafka": made.kafka | {"message.max.bytes": str(SMALL)}})
    passed_on, letters = _given_up(settings, [*NUMBERS, b"#"], 1)
    assert Counter(passed_on) == Counter(NUMBERS)
    assert letters[0]["reason"] == "too_large"


@pytest.fixture
def short_letters(settings):
    """A letter without its message: it was too large for the topic of dead letters."""
    _limit(settings, Topics(settings.topic_prefix).deadletter)
    poison = b"!" + os.urandom(10 * SMALL)
    passed_on, letters = _given_up(settings, [*NUMBERS[:20], poison, *NUMBERS[20:]], 1)
    assert Counter(passed_on) == Counter(NUMBERS)
    return settings, poison, letters[0]


def test_a_letter_that_is_refused_goes_without_its_message(short_letters):
    settings, poison, letter = short_letters
    assert (letter["reason"], letter["rows"]) == ("crashed", 3)
    assert (letter["key"], letter["value"]) == (None, None)
    assert letter["left_out"] == len(poison) + len(b"one")
    topics = Topics(settings.topic_prefix)
    letters = Letters(settings.kafka, topics)
    (found,) = letters.find(Selection())
    message = letters.completed(found).message
    assert (message.topic, message.offset) == (topics.predictions, letter["offset"])
    assert (message.key, message.value) == (b"one", poison)


def test_a_replay_sends_what_was_left_out_of_its_letter(short_letters):
    settings, poison, _ = short_letters
    topics = Topics(settings.topic_prefix)
    (found,) = Letters(settings.kafka, topics).find(Selection())
    replay_letters(settings.kafka, settings, [found.place])
    sent = committed(settings.kafka, topics.predictions)
    assert sent.count(poison) == 2


def test_a_replay_says_when_the_message_is_gone(settings):
    topics = Topics(settings.topic_prefix)
    message = Incoming(topics.predictions, 0, 7, 0, None, b"gone")
    letter = shortened(dead_letter(topics, "any", message, "crashed", "oh"))
    produce(settings.kafka, topics.deadletter, [letter.value], b"x")
    (found,) = Letters(settings.kafka, topics).find(Selection())
    with pytest.raises(KedgeError, match="has it no more at 0/7"):
        replay_letters(settings.kafka, settings, [Place(*found.place)])
    assert committed(settings.kafka, topics.predictions) == []


def test_nothing_but_the_message_is_left_out():
    topics = Topics("t")
    message = Incoming("t.predictions", 3, 17, 5, b"key", b"value", (("a", b"12"), ("b", None)))
    whole = dead_letter(topics, "any", message, "unreadable", "detail", rows=4)
    record = decode(whole.value, "dead_letter")[1]
    short = decode(shortened(whole).value, "dead_letter")[1]
    assert short == record | {"key": None, "value": None, "headers": [], "left_out": 10}
    assert decode(shortened(shortened(whole)).value, "dead_letter")[1] == short
