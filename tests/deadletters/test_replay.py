"""Dead letters listed, shown and replayed by the command line, on the real broker."""

import json
import os
import subprocess
import sys
import threading

import pytest
from typer.testing import CliRunner

from deadletters import malformed as make
from kedge import profiler
from kedge.cli import app
from kedge.contracts import Topics, decode
from kedge.deadletters import REPLAY_HEADER, Letters, Place, Selection, replay
from kedge.errors import KedgeError
from kedge.streams import CommittedLog, Incoming, dead_letter
from services import (
    PATIENCE,
    committed,
    eventually,
    plain_producer,
    produce,
    release_event,
    running,
)

KILLED = """
import os, sys
from kedge.deadletters import replay, place_of
from kedge.settings import Settings
settings = Settings()
replay(
    settings.kafka, settings, [place_of(p) for p in sys.argv[1:]], on_sent=lambda _: os._exit(7)
)
"""


@pytest.fixture
def topics(settings):
    return Topics(settings.topic_prefix)


@pytest.fixture
def kedge(settings, tmp_path, monkeypatch):
    """Run a command line; its output, its data with `--json`, or the error that it ends with."""
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KEDGE_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", settings.topic_prefix)
    for name, value in settings.kafka.items():
        monkeypatch.setenv(f"KEDGE_KAFKA__{name.replace('.', '_').upper()}", value)

    def run(*arguments):
        result = CliRunner().invoke(app, ["deadletters", *map(str, arguments)])
        if isinstance(result.exception, KedgeError):
            raise result.exception
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return run


@pytest.fixture
def letters(settings, topics):
    """Six letters of predictions as a service gave them up; their places, by number."""
    client, places = plain_producer(settings.kafka), {}
    for i in range(6):
        message = Incoming(
            topics.predictions,
            i % 2,
            100 + i,
            make.START,
            None if i == 3 else f"key {i}".encode(),
            make.single(id=f"id {i}") if i else b"{}",
            (("trace", str(i).encode()), ("empty", None), ("trace", b"again")),
        )
        reason = "unknown_release" if i else "unreadable"
        service = "profiler" if i < 5 else "monitor"
        letter = dead_letter(topics, service, message, reason, f"detail {i}", rows=i)

        def note(error, delivered, i=i):
            assert error is None
            places[i] = Place(delivered.partition(), delivered.offset())

        client.produce(letter.topic, letter.value, letter.key, i % 2, on_delivery=note)
    assert client.flush(PATIENCE) == 0
    return places


def _arrived(settings, topics):
    """Every message of predictions that is committed, whole."""
    found = []
    for partition in range(2):
        with CommittedLog(settings.kafka, topics.predictions, partition) as log:
            found += log.arrivals()
    return found


def test_the_list_counts_all_and_shows_the_newest(kedge, letters):
    listed = kedge("list", "--json", "--limit", 3)
    assert listed["summary"] == [
        dict(zip(("service", "reason", "messages", "predictions", "replayed"), row, strict=True))
        for row in (
            ("monitor", "unknown_release", 1, 5, 0),
            ("profiler", "unknown_release", 4, 10, 0),
            ("profiler", "unreadable", 1, 0, 0),
        )
    ]
    times = [letter["at"] for letter in listed["letters"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 3
    everything = kedge("list", "--json")["letters"]
    assert {letter["place"] for letter in everything} == set(map(str, letters.values()))
    assert times == sorted((letter["at"] for letter in everything), reverse=True)[:3]

    def chosen(*options):
        return sorted(
            letter["detail"][-1] for letter in kedge("list", "--json", *options)["letters"]
        )

    assert chosen("--reason", "unreadable") == ["0"]
    assert chosen("--service", "profiler", "--reason", "unknown_release") == list("1234")
    assert chosen("--since", "1h") == list("012345")
    assert chosen("--since", "2999-01-01T00:00Z") == []
    printed = kedge("list", "--limit", 2)
    assert "detail" in printed
    assert "The newest 2 of 6" in printed
    assert "no such" in kedge("list", "--reason", "of another world")


def test_a_letter_is_shown_with_what_can_be_read_of_it(kedge, letters, tmp_path):
    shown = kedge("show", letters[4], "--raw", tmp_path / "bytes")
    assert (tmp_path / "bytes").read_bytes() == make.single(id="id 4")
    for part in ("detail 4", "header trace", "b'again'", "id 4", "flights", "00000000  c3 01"):
        assert part in shown
    data = kedge("show", letters[0], "--json")
    assert (data["reason"], data["value"], data["key"]) == ("unreadable", "e30=", "a2V5IDA=")
    assert data["headers"] == [["trace", "MA=="], ["empty", None], ["trace", "YWdhaW4="]]
    assert "0x7b7d" in data["contents"]["error"]
    with pytest.raises(KedgeError, match="no dead letter 1/99"):
        kedge("show", "1/99")
    with pytest.raises(KedgeError, match="write partition/offset"):
        kedge("show", "seven")


def test_a_replay_is_the_same_message_at_the_same_place_and_happens_once(
    kedge, letters, settings, topics
):
    assert "Nothing was sent" in kedge("replay", letters[1], letters[3])
    assert _arrived(settings, topics) == []

    kedge("replay", letters[1], letters[3], "--yes")
    arrived = {message.value: message for message in _arrived(settings, topics)}
    for i in (1, 3):
        message = arrived.pop(make.single(id=f"id {i}"))
        assert message.key == (None if i == 3 else b"key 1")
        assert message.partition == i % 2
        assert message.headers == (
            ("trace", str(i).encode()),
            ("empty", None),
            ("trace", b"again"),
            (REPLAY_HEADER, str(letters[i]).encode()),
        )
    assert not arrived

    with pytest.raises(KedgeError, match=f"replayed before: {letters[3]}"):
        kedge("replay", letters[2], letters[3], "--yes")
    assert len(_arrived(settings, topics)) == 2
    # By options, those that were are passed over.
    assert kedge("replay", "--reason", "unknown_release", "--yes", "--json")["replayed"]
    assert len(_arrived(settings, topics)) == 5
    assert not kedge("replay", "--reason", "unknown_release", "--yes", "--json")["replayed"]
    kedge("replay", letters[3], "--again", "--yes")
    assert len(_arrived(settings, topics)) == 6
    (row,) = (s for s in kedge("list", "--json")["summary"] if s["reason"] == "unreadable")
    assert row["replayed"] == 0
    replayed = [x for x in kedge("list", "--json")["letters"] if x["replayed_at"]]
    assert len(replayed) == 5


def test_a_call_replays_all_or_none(kedge, letters, settings, topics):
    with pytest.raises(KedgeError, match="no dead letter 1/77"):
        kedge("replay", letters[1], "1/77", "--yes")
    with pytest.raises(KedgeError, match="no dead letter 1/77"):
        replay(settings.kafka, settings, [letters[1], letters[2], Place(1, 77)])
    assert _arrived(settings, topics) == []
    with pytest.raises(KedgeError, match="say which"):
        kedge("replay", "--yes")
    with pytest.raises(KedgeError, match="say which"):
        kedge("replay", letters[1], "--all", "--yes")
    kedge("replay", "--all", "--yes")
    assert len(_arrived(settings, topics)) == 6


def test_a_replay_that_is_killed_is_done_by_the_next_one_and_once(kedge, letters, settings, topics):
    places = [str(letters[i]) for i in (1, 2, 3)]
    command = [sys.executable, "-c", KILLED, *places]
    assert subprocess.run(command, check=False, env=os.environ).returncode == 7
    kedge("replay", *places, "--yes")
    values = sorted(message.value for message in _arrived(settings, topics))
    assert values == sorted(make.single(id=f"id {i}") for i in (1, 2, 3))


def test_of_replays_at_once_each_letter_is_in_one(letters, settings, topics):
    places = [letters[i] for i in range(6)]
    started = threading.Barrier(3)

    def attempt():
        started.wait()
        try:
            replay(settings.kafka, settings, places)
        except KedgeError as error:
            assert "replayed before" in str(error) or "refused" in str(error)  # noqa: PT017

    threads = [threading.Thread(target=attempt) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    # Each may have fenced the one before it, but the last to start has not been.
    assert len(_arrived(settings, topics)) == 6


def test_what_was_refused_is_counted_once_after_the_release_is_there(kedge, settings, topics):
    kafka = settings.kafka
    produce(kafka, topics.predictions, [make.batch(), make.single()])
    with running(profiler.run, settings=settings):
        eventually(lambda: committed(kafka, topics.deadletter), lambda found: len(found) == 2)
        produce(kafka, topics.releases, [release_event("flights", 1, make.REFERENCE)], b"1")
        kedge("replay", "--reason", "unknown_release", "--yes")
        profiles = eventually(
            lambda: [decode(v, "profile")[1] for v in committed(kafka, topics.profiles)],
            lambda found: sum(profile["rows"] for profile in found) >= 3,
        )
    assert sum(profile["rows"] for profile in profiles) == 3
    assert len(committed(kafka, topics.deadletter)) == 2


def test_a_second_death_of_a_replay_is_a_letter_of_its_own(kedge, letters, settings, topics):
    with running(profiler.run, settings=settings):
        kedge("replay", letters[1], "--yes")
        eventually(lambda: committed(settings.kafka, topics.deadletter), lambda n: len(n) == 7)
    found = Letters(settings.kafka, topics).find(Selection(service="profiler"))
    (second,) = (letter for letter in found if letter.place not in letters.values())
    assert dict(second.message.headers)[REPLAY_HEADER] == str(letters[1]).encode()
    kedge("replay", second.place, "--yes")
    newest = max(_arrived(settings, topics), key=lambda message: message.timestamp)
    marks = [value for name, value in newest.headers if name == REPLAY_HEADER]
    assert marks == [str(second.place).encode()]


def test_a_topic_that_is_not_there_is_said(kedge, monkeypatch):
    monkeypatch.setenv("KEDGE_TOPIC_PREFIX", "nowhere-at-all")
    with pytest.raises(KedgeError, match=r"no topic nowhere-at-all\.deadletter"):
        kedge("list")
