import multiprocessing
import random
import threading
import time
from contextlib import closing, contextmanager

import numpy as np
import pytest
from confluent_kafka import KafkaError
from sqlalchemy import create_engine, text

from kedge import broker
from kedge.contracts import LONGEST_MESSAGE, Topics, decode
from kedge.errors import KedgeError
from kedge.profile import Bins, ColumnSpec, Reference, ReferenceColumn
from kedge.registry.database import Database
from kedge.registry.outbox import FencedError, Publisher, publish_pending, run
from kedge.settings import Settings
from kedge.streams.clients import consumer
from kedge.streams.topics import create_topics
from registry import publishing
from registry.building import a_reference, released

PATIENCE = 60
spawned = multiprocessing.get_context("spawn")


class Log:
    """The topic of releases as any reader sees it: committed messages, decoded, in order."""

    def __init__(self, settings):
        self._consumer = consumer(broker.connection(settings), "test")
        self._topic = Topics(settings.topic_prefix).releases
        self._consumer.subscribe([self._topic])
        self.messages = []

    def until(self, done):
        deadline = time.monotonic() + PATIENCE
        while not done(self.messages):
            assert time.monotonic() < deadline, f"only {len(self.messages)} messages came"
            for message in self._consumer.consume(100, 0.1):
                if message.error() is not None:
                    # The topic is new, and this broker's answer older.
                    assert message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART
                    continue
                name, record = decode(message.value(), "release_event")
                assert name == "release_event"
                self.messages.append((message.key().decode(), record, message.value()))
        return self.messages

    def first(self, count):
        return self.until(lambda messages: len(messages) >= count)

    def close(self):
        self._consumer.close()


@pytest.fixture
def log(settings):
    with closing(Log(settings)) as log:
        yield log


@contextmanager
def running(settings):
    """The service in a thread; nothing may be left of what it raises."""
    stop, raised = threading.Event(), []

    def serve():
        try:
            run(settings, stop)
        except Exception as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield thread, raised
    finally:
        stop.set()
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert raised == []


@contextmanager
def another_process(target, *arguments):
    process = spawned.Process(target=target, args=arguments)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def move(registry, to_release, generation, alias="production", **options):
    options = {"actor": "ann", "reason": "", **options}
    return registry.move_alias("m", alias, to_release, expected_generation=generation, **options)


def ids(messages):
    return [record["id"] for _, record, _ in messages]


RELEASES = [f"release/m/{number}" for number in (1, 2, 3)]


def test_every_change_arrives_in_order_under_its_key(settings, log):
    with released(settings) as registry, running(settings):
        first = move(registry, 1, 0)
        second = move(registry, 2, 1, actor="alerting", reason="missing", incident="i1")
        messages = log.first(5)
        release = registry.release("m", 2)
        version = registry.model_version("m", release.model_version)
    assert ids(messages) == [*RELEASES, "alias/m/production/1", "alias/m/production/2"]
    assert [key for key, _, _ in messages] == [*RELEASES, *["alias/m/production"] * 2]

    told = messages[1][1]
    assert told["release"]["number"] == 2
    assert told["release"]["model_version"] == version.id
    assert told["release"]["code_version"] == release.code_version
    assert (told["model"], told["actor"], told["reason"]) == ("m", "a", "r2")
    assert (told["time"], told["alias"]) == (release.created_at, None)
    release_told = told["release"]
    reference = Reference.from_record({**release_told, "rows": release_told["reference_rows"]})
    assert reference.to_record() == a_reference().to_record() == version.reference.to_record()

    told = messages[4][1]
    assert told["release"] is None
    assert (told["time"], told["actor"], told["reason"]) == (
        second.moved_at,
        "alerting",
        "missing",
    )
    assert told["alias"] == {
        "name": "production",
        "generation": 2,
        "from_release": first.to_release,
        "to_release": 2,
        "model_version": version.id,
        "code_version": release.code_version,
        "incident": "i1",
        "share": None,
    }
    assert messages[3][1]["alias"]["from_release"] is None


def test_what_did_not_happen_is_not_told(settings, log):
    with released(settings) as registry:
        move(registry, 1, 0, incident="i")
        for attempt in (
            lambda: move(registry, 2, 0),
            lambda: move(registry, 9, 1),
            lambda: registry.create_release("m", "0" * 64, "0" * 64, actor="a"),
        ):
            with pytest.raises(Exception, match="m"):
                attempt()
        move(registry, 2, 7, incident="i")
        assert publish_pending(settings) == 4
        assert publish_pending(settings) == 0
        move(registry, 3, 1)
        assert publish_pending(settings) == 1
    assert ids(log.first(5)) == [*RELEASES, "alias/m/production/1", "alias/m/production/2"]


def test_more_than_one_transaction_holds_keeps_the_order(settings, log):
    with released(settings) as registry:
        for generation in range(250):
            move(registry, 1 + generation % 3, generation)
        assert publish_pending(settings) == 253
    messages = log.first(253)
    assert ids(messages) == RELEASES + [f"alias/m/production/{n}" for n in range(1, 251)]


def test_an_event_too_long_for_a_message_is_refused_before_it_is_a_release(settings):
    with released(settings) as registry:
        _, code = publishing.pair_of(registry)
        bins = Bins(np.arange(LONGEST_MESSAGE / 8))
        column = ReferenceColumn(
            ColumnSpec("x", "feature", "numeric"),
            bins,
            np.zeros(len(bins), np.int64),
            np.zeros(8, np.int64),
        )
        artifact = settings.home / "source" / "model.json"
        version = registry.register_model("m", artifact, Reference(0, (column,)), actor="a")
        with pytest.raises(KedgeError, match="fewer columns, bins or categories"):
            registry.create_release("m", version.id, code, actor="a")
        assert len(registry.releases("m")) == 3
        assert publish_pending(settings) == 3


def test_a_process_killed_after_its_commit_has_told_everything(settings, log):
    committed = spawned.Event()
    with (
        released(settings) as registry,
        another_process(publishing.commit_and_hang, settings, committed) as process,
    ):
        assert committed.wait(PATIENCE)
        process.kill()
        process.join()
        assert registry.alias("m", "production").to_release == 4
    assert publish_pending(settings) == 5
    assert ids(log.first(5)) == [*RELEASES, "release/m/4", "alias/m/production/1"]


def test_a_publisher_killed_before_it_could_mark_sends_the_same_again(settings, log):
    with released(settings) as registry:
        move(registry, 2, 0)
        lock = create_engine(settings.registry_url, isolation_level="AUTOCOMMIT")
        with lock.connect() as writer:
            writer.execute(text("BEGIN IMMEDIATE"))
            with another_process(publishing.publish_forever, settings) as process:
                # It has published, and waits for the lock to mark.
                once = list(log.first(4))
                process.kill()
                process.join()
            writer.execute(text("ROLLBACK"))
        lock.dispose()
    assert publish_pending(settings) == 4
    messages = log.first(8)
    assert messages[4:] == once
    assert len(set(ids(once))) == 4
    assert publish_pending(settings) == 0


def test_publishers_killed_at_any_time_lose_nothing_and_end_with_the_newest(settings, log):
    chance = random.Random(1)
    moves = 0
    with released(settings) as registry:
        for _ in range(3):
            with another_process(publishing.publish_forever, settings):
                seen = len(log.messages)
                # Killed somewhere between taking over, sending and marking of these.
                for _ in range(chance.randrange(10, 40)):
                    move(registry, 1 + moves % 3, moves)
                    moves += 1
                log.first(seen + chance.randrange(1, 10))
        publish_pending(settings)
        expected = [*RELEASES, *(f"alias/m/production/{n}" for n in range(1, moves + 1))]
    messages = log.until(lambda messages: ids(messages)[-1:] == expected[-1:])
    # Repeats aside, everything came in order.
    assert list(dict.fromkeys(ids(messages))) == expected
    values = {}
    for _, record, value in messages:
        assert values.setdefault(record["id"], value) == value


def test_the_newer_publisher_fences_the_older_one(settings, kafka, log):
    stop = threading.Event()
    with (
        released(settings) as registry,
        closing(Database.open(settings)) as database,
        Publisher(database, kafka, settings) as old,
    ):
        old.take_over(stop)
        assert old.publish_pending(stop) == 3
        with Publisher(database, kafka, settings) as new:
            new.take_over(stop)
            move(registry, 1, 0)
            # The old one read what is pending, and sends it late.
            with pytest.raises(FencedError, match="another publisher has taken over"):
                old.publish_pending(stop)
            assert new.publish_pending(stop) == 1
            move(registry, 2, 1)
            assert new.publish_pending(stop) == 1
    assert ids(log.first(5)) == RELEASES + [f"alias/m/production/{n}" for n in (1, 2)]


def test_a_fenced_service_ends_and_says_so(settings, kafka, log):
    with released(settings) as registry:
        with running(settings) as (thread, raised):
            log.first(3)
            with (
                closing(Database.open(settings)) as database,
                Publisher(database, kafka, settings) as new,
            ):
                new.take_over(threading.Event())
                move(registry, 1, 0)
                thread.join(PATIENCE)
            error = raised.pop()
        assert isinstance(error, FencedError)
        assert "Run one `kedge up`" in str(error)
        assert publish_pending(settings) == 1
    assert ids(log.first(4)) == [*RELEASES, "alias/m/production/1"]


def test_a_locked_database_is_waited_for(make_settings, tmp_path):
    url = f"sqlite:///{tmp_path / 'registry.db'}?timeout=0.05"
    settings = make_settings(registry={"url": url})
    with closing(Log(settings)) as log, released(settings) as registry:
        lock = create_engine(settings.registry_url, isolation_level="AUTOCOMMIT")
        with lock.connect() as writer:
            writer.execute(text("BEGIN IMMEDIATE"))
            with running(settings):
                # Twice over: it could not mark, and went on.
                log.first(6)
                writer.execute(text("ROLLBACK"))
                move(registry, 1, 0)
                messages = log.until(lambda messages: "alias/m/production/1" in ids(messages))
        lock.dispose()
        assert publish_pending(settings) == 0
    assert list(dict.fromkeys(ids(messages))) == [*RELEASES, "alias/m/production/1"]


def test_outages_of_the_broker_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.delenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    settings = Settings(home=tmp_path, stream={"partitions": 1})
    with released(settings) as registry, running(settings):
        # There is no broker yet.
        create_topics({"bootstrap.servers": broker.start(settings)}, settings)
        try:
            with closing(Log(settings)) as log:
                log.first(3)
            broker.stop(settings)
            move(registry, 1, 0)
            broker.start(settings)
            with closing(Log(settings)) as log:
                messages = log.until(lambda messages: "alias/m/production/1" in ids(messages))
        finally:
            broker.stop(settings)
        # Without a broker it still stops when it is told to.
        move(registry, 2, 1)
    assert list(dict.fromkeys(ids(messages))) == [*RELEASES, "alias/m/production/1"]
