"""The service on a real Kafka: what was produced is what SQL returns."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest
from confluent_kafka import TopicCollection, TopicPartition
from structlog.testing import capture_logs

from kedge.archive import ColumnLedger, PartitionWriter, connect, open_archive
from kedge.archiver import _id_text, run
from kedge.contracts import Tags, Topics, decode, encode
from kedge.streams.clients import admin, consumer, producer
from logged import START, batch, release_event, single
from services import plain_producer

DEADLINE = 60.0


@pytest.fixture
def settings(make_settings):
    return make_settings(archive={"flush_seconds": 0.2, "flush_records": 300})


@contextlib.contextmanager
def archiving(settings):
    """An archiver in a thread; what it raises is raised at the end."""
    stop, failures = threading.Event(), []

    def work():
        try:
            run(settings, stop)
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(DEADLINE)
        assert not thread.is_alive()
    for failure in failures:
        raise failure


def eventually(ask, wanted):
    deadline = time.monotonic() + DEADLINE
    while (got := ask()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert got == wanted


def rows_of(connection, query):
    return connection.sql(query).to_arrow_table().to_pylist()


def ids_of(connection):
    return [row["id"] for row in rows_of(connection, "SELECT id FROM predictions ORDER BY id")]


def row(index):
    return {
        "id": f"{index:06d}",
        "time": START + index * 1_000_000,
        "features": {"distance": float(index), "carrier": "AA"},
        "filled": set(),
        "outputs": {"output": 0.25},
        "latency": 1.5,
        "error": None,
    }


def outcome(prediction, truth, known_at):
    return encode(
        "outcome",
        {
            "prediction_id": prediction,
            "model": "flights",
            "environment": "test",
            "known_at": known_at,
            "truth": truth,
        },
    )


def statistics(revision, value):
    return encode(
        "statistic",
        {
            "model": "flights",
            "model_version": "mv",
            "code_version": "cv",
            "release": 7,
            "environment": "test",
            "window_start": START,
            "window_end": START + 60_000_000,
            "revision": revision,
            "rows": 10,
            "errors": 1,
            "statistics": [
                {"name": "psi", "role": "feature", "column": "distance", "value": value, "rows": 9},
                {"name": "error_rate", "value": 0.1, "rows": 10},
            ],
        },
    )


def alert(name):
    return encode(
        "alert",
        {
            "id": name,
            "fingerprint": "f",
            "incident": "i",
            "status": "firing",
            "model": "flights",
            "model_version": "mv",
            "code_version": "cv",
            "release": 7,
            "environment": "test",
            "alias": "production",
            "rule": "shift",
            "severity": "critical",
            "action": "rollback",
            "statistic": "psi",
            "threshold": 0.25,
            "starts_at": START,
            "window_start": START,
            "window_end": START + 60_000_000,
            "value": 0.5,
            "rows": 9,
            "summary": "psi of distance is 0.5",
            "evidence": [{"release": 6, "window_start": START, "value": 0.01, "rows": 8}],
            "decision": {
                "action": "rolled_back",
                "from_release": 7,
                "to_release": 6,
                "generation": 3,
                "reason": "release 6 is healthy",
                "decided_at": START + 61_000_000,
            },
            "produced_at": START + 62_000_000,
        },
    )


def alias_move():
    return encode(
        "release_event",
        {
            "id": "move",
            "time": START + 61_000_000,
            "model": "flights",
            "actor": "alerting",
            "reason": "shift",
            "alias": {
                "name": "production",
                "generation": 3,
                "from_release": 7,
                "to_release": 6,
                "model_version": "mv",
                "code_version": "cw",
                "incident": "i",
            },
        },
    )


def test_everything_that_was_logged_is_in_the_views(settings, kafka):
    topics = Topics(settings.topic_prefix)
    client = producer(kafka, transactional_id=settings.topic_prefix)
    client.init_transactions(DEADLINE)
    expected = []
    with archiving(settings), connect(settings.archive_url) as connection:
        for part in range(3):
            # Commit markers make holes between the offsets, and aborted messages don't count.
            client.begin_transaction()
            rows = [row(index) for index in range(part * 200, part * 200 + 200)]
            expected += [each["id"] for each in rows]
            for each in rows[:100]:
                client.produce(topics.predictions, single(each), each["id"])
            client.produce(topics.predictions, batch(rows[100:]), str(part))
            client.produce(topics.predictions, b"no Avro", str(part))
            client.commit_transaction(DEADLINE)
            client.begin_transaction()
            client.produce(topics.predictions, single(row(900_000 + part)), str(part))
            client.abort_transaction(DEADLINE)
        client.begin_transaction()
        for truth, known_at in ((False, 1), (True, 3), (False, 2)):
            client.produce(topics.outcomes, outcome("000001", truth, START + known_at), "000001")
        client.produce(topics.outcomes, outcome("000002", "late", START), "000002")
        client.produce(topics.outcomes, b"\x00\x00\x00\x00\x01", "broken", headers={"h": b"v"})
        for revision, value in ((0, 0.1), (1, 0.2)):
            client.produce(topics.statistics, statistics(revision, value), "flights")
        client.produce(topics.alerts, alert("a"), "flights")
        client.produce(topics.alerts, alert("a"), "flights")
        made = release_event({("feature", "distance"): "numeric"})
        client.produce(topics.releases, made, "release/flights/7")
        client.produce(topics.releases, alias_move(), "alias/flights/production")
        client.commit_transaction(DEADLINE)

        eventually(lambda: ids_of(connection), expected)
        eventually(lambda: len(rows_of(connection, "FROM rollbacks WHERE rule = 'shift'")), 1)
        eventually(lambda: len(rows_of(connection, "FROM scored WHERE truth_type IS NOT NULL")), 2)
        eventually(lambda: len(rows_of(connection, "FROM statistics WHERE revision = 1")), 2)
        (total,) = rows_of(connection, "SELECT sum(features.distance) AS s FROM predictions")
        assert total["s"] == sum(range(600))
        truths = "SELECT truth, truth_text, truth_type FROM scored WHERE id IN ('000001', '000002')"
        assert rows_of(connection, f"{truths} ORDER BY id") == [
            {"truth": 1.0, "truth_text": "true", "truth_type": "boolean"},
            {"truth": None, "truth_text": "late", "truth_type": "text"},
        ]
        assert rows_of(
            connection,
            "SELECT statistic, column_name, value, window_rows FROM statistics ORDER BY statistic",
        ) == [
            {"statistic": "error_rate", "column_name": None, "value": 0.1, "window_rows": 10},
            {"statistic": "psi", "column_name": "distance", "value": 0.2, "window_rows": 10},
        ]
        assert rows_of(
            connection,
            "SELECT decision_action, evidence[1].value AS before, release FROM alerts",
        ) == [{"decision_action": "rolled_back", "before": 0.01, "release": 7}]
        assert rows_of(
            connection, "SELECT from_release, to_release, incident, statistic FROM rollbacks"
        ) == [{"from_release": 7, "to_release": 6, "incident": "i", "statistic": "psi"}]
        assert rows_of(connection, "SELECT event, release, alias FROM releases ORDER BY time") == [
            {"event": "release_made", "release": 7, "alias": None},
            {"event": "alias_moved", "release": 6, "alias": "production"},
        ]
    (letter,) = _dead_letters(kafka, topics)
    assert letter["service"] == "archiver"
    assert letter["reason"] == "unreadable"
    assert letter["value"] == b"\x00\x00\x00\x00\x01"
    assert letter["headers"] == [{"name": "h", "value": b"v"}]
    assert "Confluent" in letter["detail"]
    assert _lag(kafka, settings) == 0


def _dead_letters(kafka, topics):
    reader = consumer(kafka, uuid.uuid4().hex)
    parts = [TopicPartition(topics.deadletter, partition, 0) for partition in range(2)]
    ends = [reader.get_watermark_offsets(part, DEADLINE)[1] for part in parts]
    reader.assign(parts)
    letters = []
    deadline = time.monotonic() + DEADLINE
    while len(letters) < sum(ends) and time.monotonic() < deadline:
        message = reader.poll(0.1)
        if message is not None:
            assert message.error() is None
            record = decode(message.value(), "dead_letter")[1]
            where = f"{record['topic']}/{record['partition']}/{record['offset']}"
            assert message.key() == where.encode()
            letters.append(record)
    reader.close()
    return letters


def _lag(kafka, settings):
    """Messages of the predictions' topic that the group has not passed, markers left out."""
    reader = consumer(kafka, f"{settings.topic_prefix}.archiver", enable_partition_eof=True)
    topic = Topics(settings.topic_prefix).predictions
    committed = reader.committed([TopicPartition(topic, each) for each in range(2)], DEADLINE)
    reader.assign(committed)
    left, ends = 0, 0
    while ends < len(committed):
        message = reader.poll(DEADLINE)
        ends += message.error() is not None
        left += message.error() is None
    reader.close()
    return left


def _shares(kafka, settings):
    """How many partitions each member of the group has, of four topics with 4 and one with 1."""
    group = f"{settings.topic_prefix}.archiver"
    client = admin(kafka)
    (described,) = client.describe_consumer_groups([group]).values()
    members = described.result(DEADLINE).members
    return sorted(len(member.assignment.topic_partitions) for member in members)


def test_archivers_share_partitions_while_they_come_and_go(make_settings, kafka):
    settings = make_settings(
        archive={"flush_seconds": 0.2, "flush_records": 300}, stream={"partitions": 4}
    )
    topic = Topics(settings.topic_prefix).predictions
    client = plain_producer(kafka)
    expected, seen = [], []

    def produce():
        rows = [row(index) for index in range(len(expected), len(expected) + 500)]
        for start in range(0, 500, 10):
            client.produce(topic, batch(rows[start : start + 10]), str(start))
        client.flush()
        expected.extend(each["id"] for each in rows)

    def archived():
        ids = ids_of(connection)
        # A reader sees each row at most once, and none again go, at any moment.
        assert len(set(ids)) == len(ids)
        assert set(ids) >= set(seen)
        seen[:] = ids
        return ids

    with connect(settings.archive_url) as connection:
        with archiving(settings):
            produce()
            eventually(archived, expected)
            with archiving(settings):
                for _ in range(4):
                    produce()
                    archived()
                eventually(archived, expected)
                eventually(lambda: _shares(kafka, settings), [8, 9])
                produce()
            produce()
            eventually(archived, expected)
        with archiving(settings):
            produce()
            eventually(archived, expected)


def test_a_killed_archiver_loses_and_doubles_nothing(settings, kafka):
    topic = Topics(settings.topic_prefix).predictions
    client = plain_producer(kafka)
    expected = []

    def produce():
        for _ in range(40):
            rows = [row(index) for index in range(len(expected), len(expected) + 20)]
            client.produce(topic, batch(rows), rows[0]["id"])
            expected.extend(each["id"] for each in rows)
        client.flush()

    environment = {
        **os.environ,
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_ARCHIVE__FLUSH_SECONDS": "0.02",
        "KEDGE_ARCHIVE__FLUSH_RECORDS": "60",
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": kafka["bootstrap.servers"],
        # The shortest that a broker allows: its group waits so long for the dead.
        "KEDGE_KAFKA__SESSION_TIMEOUT_MS": "6000",
    }
    program = (
        "import threading; from kedge.archiver import run; from kedge.settings import Settings\n"
        "run(Settings(), threading.Event())"
    )
    with connect(settings.archive_url) as connection:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment)
        try:
            produce()
            wanted = random.randrange(1, 600)
            eventually(lambda: len(ids_of(connection)) >= wanted, wanted=True)
            produce()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(DEADLINE)
        ids = ids_of(connection)
        assert len(set(ids)) == len(ids)
        with archiving(settings):
            eventually(lambda: ids_of(connection), expected)


def test_a_model_of_another_name_and_release_stays_apart(settings, kafka):
    topic = Topics(settings.topic_prefix).predictions
    client = plain_producer(kafka)
    odd = Tags("de lays/'%*?", "mv", "cv", 2, "test")
    client.produce(topic, single(row(1)))
    client.produce(topic, single(row(2), odd))
    client.flush()
    with archiving(settings), connect(settings.archive_url) as connection:
        eventually(lambda: ids_of(connection), ["000001", "000002"])
        (found,) = rows_of(connection, "SELECT model FROM predictions WHERE release = 2")
    assert found["model"] == odd.model


def _topic_id(kafka, topic):
    client = admin(kafka)
    (described,) = client.describe_topics(TopicCollection([topic])).values()
    return _id_text(described.result(DEADLINE).topic_id)


def test_an_archiver_that_was_overtaken_goes_on_where_the_other_stopped(make_settings, kafka):
    settings = make_settings(archive={"flush_seconds": 1.0}, stream={"partitions": 1})
    topic = Topics(settings.topic_prefix).predictions
    client = plain_producer(kafka)
    disk = open_archive(settings.archive_url)
    other = PartitionWriter(
        disk, ColumnLedger(disk), "predictions", _topic_id(kafka, topic), partition=0
    )
    expected = []
    with capture_logs() as logs, archiving(settings), connect(disk.root) as connection:

        def overtaken():
            # The other one knows what comes before it is there, so it is the quicker.
            messages = [single(row(len(expected) + index)) for index in range(3)]
            for message in messages:
                client.produce(topic, message)
                expected.append(f"{len(expected):06d}")
            client.flush()
            for offset in range(other.resume(0), len(expected) - 1):
                other.add(offset, single(row(offset)))
            other.flush()
            return any(entry["event"] == "overtaken" for entry in logs)

        eventually(overtaken, wanted=True)
        eventually(lambda: ids_of(connection), expected)


def test_what_kafka_deleted_before_it_was_archived_is_said(make_settings, kafka):
    settings = make_settings(archive={"flush_seconds": 0.1}, stream={"partitions": 1})
    topic = Topics(settings.topic_prefix).predictions
    client = plain_producer(kafka)

    def produce(first, end):
        for index in range(first, end):
            client.produce(topic, single(row(index)))
        client.flush()

    with connect(settings.archive_url) as connection:
        produce(0, 5)
        with archiving(settings):
            eventually(lambda: len(ids_of(connection)), 5)
        produce(5, 10)
        keeper = admin(kafka)
        (deleted,) = keeper.delete_records([TopicPartition(topic, 0, 8)]).values()
        deleted.result(DEADLINE)
        with capture_logs() as logs, archiving(settings):
            eventually(lambda: len(ids_of(connection)), 7)
        assert ids_of(connection) == [f"{index:06d}" for index in (0, 1, 2, 3, 4, 8, 9)]
    (lost,) = [entry for entry in logs if entry["event"] == "lost"]
    assert (lost["first"], lost["next"]) == (5, 8)
