"""What is replayed against what was logged: rows, order, and the profiles that services make."""

import datetime as dt
import json
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from kedge import archiver, profiler
from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from kedge.cli import app
from kedge.contracts import Topics, columns_of, decode, decode_predictions, encode
from kedge.errors import KedgeError
from kedge.profile import Profile, count_windows, reference_of
from kedge.replay import EVER, Slice, replay
from kedge.replay.rows import logged
from kedge.replay.singles import singles
from kedge.streams import CommittedLog
from logged import START, TAGS, batch, single
from services import committed, eventually, plain_producer, release_event, running
from strategies import FEATURES, feature_rows

WINDOW = 60_000_000
ALL = Slice("flights", *EVER)


def _reference():
    rows = [
        {"distance": float(i), "carrier": "AB"[i % 2], "late": i % 3 == 0, "origin": "JFK"}
        for i in range(200)
    ]
    outputs = [{"output": i / 200} for i in range(200)]
    return reference_of([*columns_of(rows, "feature"), *columns_of(outputs, "output")])


REFERENCE = _reference()


def _rows(features, start=0):
    return [
        {
            "id": str(uuid.UUID(int=start + i)),
            "time": START + (start + i) * 20_000_000,
            "features": each,
            "filled": {FEATURES[i % 4]} if i % 3 == 0 else set(),
            "outputs": {"output": 0.25 + i / 100} if i % 5 else {},
            "latency": None if i % 2 else 1.5,
            "error": None if i % 5 else "ValueError",
        }
        for i, each in enumerate(features)
    ]


def _profiles(batches):
    """What the profiler would make of them, by window."""
    found = {}
    for each in batches:
        for start, profile in count_windows(each, REFERENCE, WINDOW).items():
            found[start] = found[start] + profile if start in found else profile
    return {start: profile.to_record(REFERENCE) for start, profile in sorted(found.items())}


def _archived(root, messages):
    disk = Disk(Path(root))
    ledger = ColumnLedger(disk)
    releases = PartitionWriter(disk, ledger, "releases", "id", 0)
    releases.resume(0)
    releases.add(0, release_event("flights", 7, REFERENCE))
    assert releases.flush()
    writer = PartitionWriter(disk, ledger, "predictions", "id", 1)
    writer.resume(0)
    for offset, message in enumerate(messages):
        writer.add(offset, message)
    assert writer.flush()
    return connect(root)


@hypothesis_settings(max_examples=25)
@given(st.lists(st.lists(feature_rows, min_size=1, max_size=6), min_size=1, max_size=3))
def test_what_was_archived_is_profiled_as_what_was_logged(messages):
    data = [_rows(features, 100 * n) for n, features in enumerate(messages)]
    sent = [batch(rows) for rows in data]
    with tempfile.TemporaryDirectory() as root, _archived(root, sent) as archive:
        again = [message for rows in ALL.predictions(archive) for message in logged(rows)]
    assert [message.partition for message in again] == [1] * len(sent)
    before = [decode_predictions(value) for value in sent]
    after = [message.batch for message in again]
    assert [list(each.ids) for each in after] == [list(each.ids) for each in before]
    assert [each.tags for each in after] == [TAGS] * len(sent)
    assert [each.errors for each in after] == [each.errors for each in before]
    assert _profiles(after) == _profiles(before)
    alone = [
        decode_predictions(encode("prediction", record))
        for each in after
        for record in singles(each)
    ]
    assert _profiles(alone) == _profiles(before)


@pytest.fixture
def logged_slice(make_settings, monkeypatch):
    """Settings of a prefix with an archived, profiled stream, and what was sent to it."""
    settings = make_settings(archive={"flush_seconds": 0.2})
    for name, value in (
        ("HOME", settings.home),
        ("TOPIC_PREFIX", settings.topic_prefix),
        ("KAFKA__BOOTSTRAP_SERVERS", settings.kafka["bootstrap.servers"]),
        ("STREAM__PARTITIONS", "2"),
    ):
        monkeypatch.setenv(f"KEDGE_{name}", str(value))
    topics = Topics(settings.topic_prefix)
    rng = np.random.default_rng(1)
    client = plain_producer(settings.kafka)
    client.produce(topics.releases, release_event("flights", 7, REFERENCE), "flights/7")
    count = 0
    for message in range(40):
        size = int(rng.integers(1, 8))
        features = [
            {"distance": float(rng.normal(100, 40)), "carrier": str(rng.choice(["A", "B", ""]))}
            for _ in range(size)
        ]
        rows = _rows(features, count)
        count += size
        values = [batch(rows)] if message % 3 else [single(row) for row in rows]
        for value in values:
            client.produce(topics.predictions, value, partition=message % 2)
    for name in (0, 3, count - 1, 10**6):
        outcome = {
            "prediction_id": str(uuid.UUID(int=name)),
            "model": "flights",
            "environment": "test",
            "known_at": START + name,
            "truth": name % 2 == 0,
        }
        client.produce(topics.outcomes, encode("outcome", outcome), outcome["prediction_id"])
    client.flush()
    with (
        running(archiver.run, profiler.run, settings=settings),
        connect(settings.archive_url) as archive,
    ):
        counted = "SELECT (SELECT count(*) FROM predictions) + (SELECT count(*) FROM outcomes)"
        eventually(lambda: archive.sql(counted).fetchall(), lambda got: got == [(count + 4,)])
        eventually(lambda: _profiled(settings)[0], lambda rows: rows == count)
    return settings, count


def _profiled(settings):
    """Rows in all profiles of a prefix, and the profiles by window."""
    found = {}
    for value in committed(settings.kafka, Topics(settings.topic_prefix).profiles):
        _name, record = decode(value, "profile")
        profile = Profile.from_record(record, REFERENCE)
        start = record["window_start"]
        found[start] = found[start] + profile if start in found else profile
    records = {start: profile.to_record(REFERENCE) for start, profile in sorted(found.items())}
    return sum(profile.rows for profile in found.values()), records


def _replayed(settings, *options):
    arguments = ["replay", "flights", "--prefix", settings.topic_prefix, "--json", *options]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    return json.loads(shown.stdout)


def _order(settings):
    """Of each partition, the ids as they lie there."""
    topic = Topics(settings.topic_prefix).predictions
    return [
        [
            name
            for message in _log(settings.kafka, topic, partition)
            for name in decode_predictions(message).ids
        ]
        for partition in range(2)
    ]


def _log(kafka, topic, partition):
    with CommittedLog(kafka, topic, partition) as log:
        return [value for _, value in log.news()]


def test_a_replay_is_profiled_as_the_stream_was(logged_slice, make_settings):
    settings, count = logged_slice
    target = make_settings()
    done = _replayed(target, "--releases")
    assert (done["predictions"], done["outcomes"], done["releases"]) == (count, 3, 1)
    assert _order(target) == _order(settings)
    topics = Topics(target.topic_prefix)
    sent = committed(target.kafka, topics.predictions) + committed(target.kafka, topics.outcomes)
    assert len(sent) == done["messages"] - done["releases"]
    with running(profiler.run, settings=target):
        eventually(lambda: _profiled(target)[0], lambda rows: rows == count)
    assert _profiled(target) == _profiled(settings)


def test_times_move_together_and_a_slice_is_what_was_asked_for(logged_slice, make_settings):
    _settings, count = logged_slice
    target = make_settings()
    since, until = START + 20 * 20_000_000, START + 60 * 20_000_000
    done = _replayed(
        target, "--single", "--no-outcomes", "--speed", "100000x",
        "--since", _iso(since), "--until", _iso(until), "--shift-to", "2020-01-01T00:00Z",
    )  # fmt: skip
    assert count > 60
    assert (done["predictions"], done["messages"], done["outcomes"]) == (40, 40, 0)
    values = committed(target.kafka, Topics(target.topic_prefix).predictions)
    records = [decode(value, "prediction")[1] for value in values]
    times = {record["id"]: record["event_time"] for record in records}
    assert times == {
        str(uuid.UUID(int=n)): START + n * 20_000_000 + done["shift"] for n in range(20, 60)
    }
    assert done["shift"] % WINDOW == 0
    assert 0 <= _micros("2020-01-01T00:00Z") - max(times.values()) < WINDOW


def _micros(text):
    return int(dt.datetime.fromisoformat(text).timestamp() * 1e6)


def _iso(micros):
    return dt.datetime.fromtimestamp(micros / 1e6, dt.UTC).isoformat()


def test_the_prefix_in_force_an_empty_slice_and_too_few_partitions_are_refused(
    logged_slice, make_settings
):
    settings, _count = logged_slice
    force = ["replay", "flights", "--prefix", settings.topic_prefix]
    with pytest.raises(KedgeError, match="prefix in force"):
        CliRunner().invoke(app, force, catch_exceptions=False)
    with pytest.raises(KedgeError, match="no speed"):
        CliRunner().invoke(app, [*force, "--in-force", "--speed", "fast"], catch_exceptions=False)
    narrow = make_settings(stream={"partitions": 1})
    with connect(settings.archive_url) as archive:
        with pytest.raises(KedgeError, match="no predictions of model `trains`"):
            replay(archive, settings.kafka, settings, Slice("trains", *EVER), narrow.topic_prefix)
        with pytest.raises(KedgeError, match="has 1 partitions, but the slice comes from 2"):
            replay(archive, settings.kafka, settings, ALL, narrow.topic_prefix)
