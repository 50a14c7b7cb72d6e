"""Loggers with a spool: killed, closed, forked, out of disk; what was encoded arrives once."""

import json
import os
import signal
import subprocess
import sys
import uuid

import numpy as np
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from arrivals import RELEASE, until
from kedge import KedgeError, PredictionLogger
from kedge.sdk import backlog
from kedge.sdk.spool import Spool, segments

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}

BEGIN = """
import json, os, sys, time
from pathlib import Path
from kedge import LiveRelease, PredictionLogger
RELEASE = LiveRelease("flights", 3, "model-a", "code-b")
def say(what):
    os.write(1, (json.dumps(what) + "\\n").encode())
def encoded(log, rows):
    '''Wait until so many events of this process are on disk.'''
    while log._sender._disk._spool.waiting < rows:
        time.sleep(0.01)
log = PredictionLogger(RELEASE, linger=0.01, batch_rows=50)
"""


def on_disk(folder):
    return sorted(folder.glob("*/*" + segments.SUFFIX))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@pytest.fixture
def killed(settings, folder):
    """Run a program that logs to nowhere, until it is killed or ends; the JSON that it said."""

    def run(code, *, signal_number=signal.SIGKILL, servers="127.0.0.1:1"):
        done = subprocess.run(
            [sys.executable, "-c", BEGIN + code],
            env={
                **os.environ,
                "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
                "KEDGE_KAFKA__BOOTSTRAP_SERVERS": servers,
                "KEDGE_SPOOL": str(folder),
                "KEDGE_SPOOL_BYTES": "5000000",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal_number, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


LOG_AND_DIE = """
ids = [log.prediction({"x": n}, n) for n in range(1000)]
ids += log.batch({"x": list(range(500))}, list(range(500)))
log.outcome(ids[0], True)
encoded(log, 1501)
say(ids)
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_had_encoded_arrives_once(
    make_logger, predictions, outcomes, killed, folder
):
    dead = {name for _ in range(2) for name in killed(LOG_AND_DIE)[0]}
    assert len(dead) == 3000
    log = make_logger(spool=folder)
    mine = {log.prediction({"x": 1}, 1)}
    until(lambda: log.counts.replayed == 3002)
    assert log.close(60)
    assert set(predictions.rows()) == dead | mine  # which fails where one arrives twice
    assert {each["prediction_id"] for each in outcomes.outcomes()} < dead
    assert len(outcomes.outcomes()) == 2
    assert (log.counts.accepted, log.counts.delivered, log.counts.pending) == (1, 1, 0)
    assert not list(folder.iterdir())


def test_what_arrives_is_byte_for_byte_what_was_encoded(make_logger, predictions, killed, folder):
    killed(LOG_AND_DIE)
    (left,) = {path.parent for path in on_disk(folder)}
    spool = Spool(folder, 10**6, pytest.fail)
    spool.adopt()
    kept = []
    while (each := spool.peek()) is not None:
        spool.advance()
        kept.append(each.message)
    spool.abandon()
    assert left.exists()
    log = make_logger(spool=folder)
    until(lambda: log.counts.replayed == 1501)
    arrived = sorted((message.value(), message.key()) for message in predictions.read())
    assert arrived == sorted((each.value, each.key) for each in kept if each.kind == "prediction")
    sequences = sorted(batch.producer.sequence for batch in predictions.batches())
    rows = {batch.producer.sequence: batch.rows for batch in predictions.batches()}
    assert [number + rows[number] for number in sequences] == [*sequences[1:], 1500]
    assert len({batch.producer.id for batch in predictions.batches()}) == 1


def test_killed_between_deliveries_nothing_is_lost_and_what_comes_twice_is_the_same(
    make_logger, predictions, killed, folder, settings
):
    (ids,) = killed(
        """
ids = []
while log.counts.delivered < 2000:
    ids += [log.prediction({"x": n}, n) for n in range(100)]
    time.sleep(0.001)
say(ids)
os.kill(os.getpid(), 9)
""",
        servers=settings.kafka["bootstrap.servers"],
    )
    log = make_logger(spool=folder)
    mine = log.prediction({"x": 1}, 1)
    assert log.close(60)
    assert not list(folder.iterdir())
    by_producer = {}
    for batch in predictions.batches():
        numbered = by_producer.setdefault(batch.producer.id, {})
        names = list(batch.ids)
        assert numbered.setdefault(batch.producer.sequence, names) == names
    arrived = sorted(
        [name for _, names in sorted(numbered.items()) for name in names]
        for numbered in by_producer.values()
    )
    theirs = max(arrived, key=len)
    assert [mine] in arrived
    # Without a gap up to the last message that was encoded.
    assert len(theirs) >= 2000
    assert theirs == ids[: len(theirs)]


def test_what_close_can_not_send_is_left_for_the_next(make_logger, predictions, folder):
    log = make_logger(kafka=NOWHERE, spool=folder)
    ids = log.batch({"x": np.arange(200.0)}, np.zeros(200))
    assert not log.close(0.5)
    counts = log.counts
    assert (counts.accepted, counts.spooled, counts.pending, counts.lost) == (200, 200, 0, 0)
    heir = make_logger(spool=folder)
    until(lambda: heir.counts.replayed == 200)
    assert set(predictions.rows()) == set(ids)
    assert heir.close(30)
    assert not list(folder.iterdir())


def test_the_disk_holds_more_than_the_client(make_logger, late_broker, predictions, folder):
    log = make_logger(
        kafka={"bootstrap.servers": late_broker.address, "queue.buffering.max.messages": 2},
        spool=folder,
        queue_events=100,
        batch_rows=10,
    )
    ids = []
    for _ in range(10):
        ids += [log.prediction({"x": number}, 1) for number in range(100)]
        until(lambda: log._sender.queued == 0)
    assert log.counts.queue_full == 0
    assert not log.flush(0.05)
    late_broker.appear()
    assert log.flush(60)
    assert set(predictions.rows()) == set(ids)
    assert log.counts.delivered == 1000


def test_a_full_spool_drops_the_newest_and_says_so(
    make_logger, late_broker, predictions, folder, caplog
):
    log = make_logger(
        kafka={"bootstrap.servers": late_broker.address},
        spool=folder,
        spool_bytes=65536,
        batch_rows=10,
    )
    ids = []
    while not log.counts.spool_full:
        ids.append(log.prediction({"x": "x" * 100}, 1))
        assert sum(path.stat().st_size for path in on_disk(folder)) <= 65536
    late_broker.appear()
    assert log.flush(60)
    # Only now: what had left the queue last may have found the spool full as well.
    kept = log.counts.accepted - log.counts.spool_full
    rows = predictions.rows()
    # Near the end a small message may have found room where a larger one had not.
    assert set(ids[: kept // 2]) < set(rows) < set(ids)
    assert log.counts.delivered == kept == len(rows)
    # There is room again, and the next message tells what is missing.
    log.prediction({"x": 1}, 1)
    assert log.close(60)
    *_, last = sorted(predictions.batches(), key=lambda batch: batch.producer.sequence)
    assert last.producer.sequence + last.rows == kept + 1
    assert last.producer.dropped == log.counts.spool_full
    assert any("the spool is full" in line for line in caplog.messages)


def test_what_the_client_gave_up_is_tried_again(
    make_logger, late_broker, predictions, folder, monkeypatch
):
    monkeypatch.setattr(backlog, "_LOOK", 0.1)
    log = make_logger(
        kafka={"bootstrap.servers": late_broker.address, "message.timeout.ms": 300},
        spool=folder,
        batch_rows=10,
    )
    ids = [log.prediction({"x": number}, 1) for number in range(100)]
    until(lambda: any(segment.failed for segment in log._sender._disk._spool._segments))
    late_broker.appear()
    until(lambda: log.counts.delivered == 100)
    assert {name for batch in predictions.batches() for name in batch.ids} == set(ids)
    assert log.close(30)
    assert log.counts.dropped == 0
    assert not list(folder.iterdir())


def test_what_no_broker_will_take_is_lost_and_not_kept(make_logger, kafka, folder):
    prefix = f"t{uuid.uuid4().hex[:12]}"
    topic = NewTopic(f"{prefix}.predictions", 1, 1, config={"max.message.bytes": "2000"})
    admin = AdminClient(kafka)
    admin.create_topics([topic])[topic.topic].result(30)
    log = make_logger(spool=folder, topic_prefix=prefix, kafka=kafka | {"compression.type": "none"})
    log.prediction({f"x{number}": number for number in range(500)}, 1)
    assert log.flush(60)
    log.prediction({"x": 1}, 1)
    assert log.close(30)
    assert (log.counts.undelivered, log.counts.delivered, log.counts.spooled) == (1, 1, 0)
    assert not list(folder.iterdir())


@pytest.mark.parametrize("blocked", ["a file in its place", "no space"])
def test_a_disk_that_fails_harms_nobody(make_logger, predictions, tmp_path, blocked, request):
    if blocked == "no space":
        folder = request.getfixturevalue("tiny_disk")
        (folder / "ballast").write_bytes(bytes(60 * 1024))
    else:
        folder = tmp_path / "spool"
        folder.touch()
    log = make_logger(spool=folder, batch_rows=100)
    ids = [log.prediction({"x": "x" * 50}, 1) for number in range(2000)]
    assert log.flush(60)
    assert set(predictions.rows()) == set(ids)
    assert log.counts.unspooled > 0
    assert (log.counts.delivered, log.counts.dropped) == (2000, 0)
    assert log.close(30)


@pytest.fixture
def tiny_disk(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here: test_spool_files limits the size of a file")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_parent_and_forked_child_have_a_folder_each(killed, make_logger, predictions, folder):
    said = killed(
        """
ids = [log.prediction({"x": n}, n) for n in range(100)]
encoded(log, 100)
if os.fork() == 0:
    ids = [log.prediction({"x": n}, n) for n in range(100)]
    encoded(log, 100)
    say(ids)
    os.kill(os.getpid(), 9)
os.wait()
# The child is dead and has left its own; what is the parent's was not touched.
assert len(list(Path(os.environ["KEDGE_SPOOL"]).iterdir())) == 2
ids += [log.prediction({"x": n}, n) for n in range(100)]
encoded(log, 200)
say(ids)
os.kill(os.getpid(), 9)
"""
    )
    log = make_logger(spool=folder)
    until(lambda: log.counts.replayed == 300)
    assert set(predictions.rows()) == {name for names in said for name in names}
    assert log.close(30)
    assert not list(folder.iterdir())


def test_a_child_that_lives_on_does_not_hold_what_its_parent_left(
    killed, make_logger, predictions, folder
):
    ((ids, child),) = killed(
        """
ids = [log.prediction({"x": n}, n) for n in range(100)]
encoded(log, 100)
if (child := os.fork()) == 0:
    os.close(1); os.close(2)
    time.sleep(600)
say([ids, child])
os.kill(os.getpid(), 9)
"""
    )
    try:
        log = make_logger(spool=folder)
        until(lambda: log.counts.replayed == 100)
        assert set(predictions.rows()) == set(ids)
    finally:
        os.kill(child, signal.SIGKILL)


def test_two_processes_share_the_folder(killed, folder, make_logger, predictions):
    (ids,) = killed(
        """
import multiprocessing
def work(queue):
    log = PredictionLogger(RELEASE, linger=0.01, batch_rows=7)
    queue.put([log.prediction({"x": n}, n) for n in range(300)])
    encoded(log, 300)
    log.close(0.1)
context = multiprocessing.get_context("fork")
queue = context.Queue()
workers = [context.Process(target=work, args=(queue,)) for _ in range(2)]
for worker in workers: worker.start()
ids = [name for _ in workers for name in queue.get()]
for worker in workers: worker.join()
say(ids)
os.kill(os.getpid(), 9)
"""
    )
    assert len(set(ids)) == 600
    loggers = [make_logger(spool=folder) for _ in range(2)]
    until(lambda: sum(log.counts.replayed for log in loggers) == 600)
    assert set(predictions.rows()) == set(ids)
    assert all(log.close(30) for log in loggers)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"spool": 7}, "spool is 7"),
        ({"spool": "x", "spool_bytes": 1000}, "65536"),
        ({"spool": "x", "spool_bytes": "many"}, "65536"),
    ],
)
def test_a_spool_that_can_not_be_is_refused_at_once(options, says):
    with pytest.raises(KedgeError, match=says):
        PredictionLogger(RELEASE, kafka=NOWHERE, **options)


def test_without_a_spool_nothing_is_written(make_logger, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    log = make_logger()
    log.prediction({"x": 1}, 1)
    assert log.close(30)
    assert not list(tmp_path.iterdir())
