"""The views: over nothing, over features that change, and what they say of themselves."""

import math
import re
from dataclasses import replace

import duckdb
import pyarrow.parquet as pq
import pytest

from kedge.archive import VIEWS, ColumnLedger, Disk, PartitionWriter, connect
from kedge.archive.compaction import Sizes, compact
from kedge.contracts import Tags, UnreadableMessageError, encode
from kedge.errors import KedgeError
from logged import DAY, START, TAGS, batch, release_event, single
from statistic_records import statistic, window
from webhook_alerts import ALERT


def row(name, features, outputs=None, time=START):
    return {
        "id": name,
        "time": time,
        "features": features,
        "filled": set(),
        "outputs": {"output": 1.0} if outputs is None else outputs,
        "latency": None,
        "error": None,
    }


class Archive:
    """Writes each message to a file of its own, as slow traffic would."""

    def __init__(self, root):
        self.disk = Disk(root)
        self.ledger = ColumnLedger(self.disk)
        self.writers = {}

    def add(self, message, dataset="predictions"):
        if dataset not in self.writers:
            writer = PartitionWriter(self.disk, self.ledger, dataset, "id", 0)
            writer.resume(0)
            self.writers[dataset] = writer
        writer = self.writers[dataset]
        writer.add(writer.next, message)
        assert writer.flush()


@pytest.fixture
def archive(tmp_path):
    return Archive(tmp_path / "archive")


@pytest.fixture
def connection(archive):
    with connect(archive.disk.root) as connection:
        yield connection


def column(connection, query):
    return [value for (value,) in connection.sql(query).fetchall()]


@pytest.mark.parametrize("view", VIEWS)
def test_an_empty_archive_can_be_asked(connection, view):
    assert column(connection, f"SELECT count(*) FROM {view}") == [0]


def test_every_view_and_what_it_is_asked_by_is_explained(connection):
    views = dict(
        connection.sql(
            "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        ).fetchall()
    )
    assert sorted(views) == sorted(VIEWS)
    assert all(views.values())
    assert (
        column(
            connection,
            "SELECT table_name || '.' || column_name FROM duckdb_columns() "
            "WHERE NOT internal AND comment IS NULL",
        )
        == []
    )
    assert column(
        connection,
        "SELECT comment FROM duckdb_columns() "
        "WHERE table_name = 'missing' AND column_name = 'kind'",
    ) == ["absent, null, nan, empty, imputed or wrong_type"]


def test_files_that_appear_later_are_seen_with_their_new_features(archive, connection):
    archive.add(single(row("a", {"distance": 1.0})))
    assert column(connection, "SELECT features.distance FROM predictions") == [1.0]
    archive.add(single(row("b", {"distance": 2.0, "tail": "N1"})))
    assert connection.sql(
        "SELECT features.distance, features.tail FROM predictions ORDER BY id"
    ).fetchall() == [(1.0, None), (2.0, "N1")]


def test_text_where_numbers_were_does_not_break_the_average(archive, connection):
    archive.add(single(row("a", {"distance": 1.0})))
    archive.add(single(row("b", {"distance": "far"})))
    archive.add(batch([row("c", {"distance": 3.0}), row("d", {"distance": "N/A"})]))
    assert column(connection, "SELECT avg(features.distance) FROM predictions") == [2.0]
    assert column(
        connection,
        "SELECT untyped['distance'] FROM predictions WHERE cardinality(untyped) > 0 ORDER BY id",
    ) == ["far", "N/A"]
    assert connection.sql("SELECT id, kind FROM missing ORDER BY id").fetchall() == [
        ("b", "wrong_type"),
        ("d", "wrong_type"),
    ]


def test_the_signature_decides_before_the_first_value_does(archive, connection):
    signature = {("feature", "distance"): "numeric", ("feature", "hour"): "categorical"}
    archive.add(release_event(signature), "releases")
    archive.add(single(row("a", {"distance": "far", "hour": 7})))
    archive.add(single(row("b", {"distance": 2.0, "hour": "8"})))
    assert connection.sql(
        "SELECT features.distance, features.hour FROM predictions ORDER BY id"
    ).fetchall() == [(None, "7"), (2.0, "8")]


def test_a_signature_that_changes_stays_queryable_in_one_view(archive, connection):
    """A number becomes a category, one feature goes and one comes; whether compacted or not."""
    first = {("feature", "airport"): "numeric", ("feature", "wind"): "numeric"}
    second = {("feature", "airport"): "categorical", ("feature", "rain"): "boolean"}
    newer = replace(TAGS, release=TAGS.release + 1)
    archive.add(release_event(first), "releases")
    archive.add(single(row("a", {"airport": 1.0, "wind": 5.0})))
    archive.add(release_event(second, number=newer.release), "releases")
    archive.add(single(row("b", {"airport": "JFK", "rain": True}), newer))
    archive.add(single(row("c", {"airport": 2.0, "wind": None})))
    archive.add(single(row("d", {"airport": None}), newer))
    query = """
        SELECT id, features.airport, features.wind, features.rain, untyped['airport'],
            coalesce(features.airport::VARCHAR, untyped['airport']), missing
        FROM predictions ORDER BY id"""
    # The column keeps its type for good, as averages over a year do; what does not fit is beside.
    expected = [
        ("a", 1.0, 5.0, None, None, "1.0", {}),
        ("b", None, None, True, "JFK", "JFK", {}),
        ("c", 2.0, None, None, None, "2.0", {"wind": "null"}),
        ("d", None, None, None, None, None, {"airport": "null", "rain": "absent"}),
    ]
    assert connection.sql(query).fetchall() == expected
    for settled in (3, 4):
        compact(archive.disk, "predictions/model=flights", Sizes(1 << 20, settled), 0.0)
        assert connection.sql(query).fetchall() == expected
    archive.add(single(row("e", {"airport": 3.0, "rain": False, "wind": 1.0}), newer))
    assert column(connection, "SELECT avg(features.airport) FROM predictions") == [2.0]
    assert column(connection, "SELECT count(features.rain) FROM predictions") == [2]


def test_absent_is_what_the_release_is_known_to_have(archive, connection):
    archive.add(release_event({("feature", "distance"): "numeric"}, number=7), "releases")
    other = Tags("flights", "mv", "cv", 8, "test")
    archive.add(single(row("a", {})))
    archive.add(single(row("b", {"wind": 1.0}), other))
    archive.add(single(row("c", {}), other))
    assert connection.sql(
        "SELECT id, column_name, kind FROM missing WHERE role = 'feature' ORDER BY id"
    ).fetchall() == [("a", "distance", "absent"), ("c", "wind", "absent")]


def test_names_that_are_no_columns_lose_no_value(archive, connection):
    features = {"": 1.0, "Distance": 2.0, "distance": 3.0, "a.b": 4.0, "ü'\"[": 5.0, "id": 6.0}
    archive.add(single(row("a", features)))
    ((typed, untyped),) = connection.sql("SELECT features, untyped FROM predictions").fetchall()
    assert {**typed, **{name: float(text) for name, text in untyped.items()}} == features


def test_a_flood_of_names_does_not_become_a_flood_of_columns(archive, connection):
    archive.add(single(row("a", {f"f{i}": float(i) for i in range(1200)})))
    ((typed, untyped),) = connection.sql("SELECT features, untyped FROM predictions").fetchall()
    assert len(typed) == 1000
    assert {**typed, **{name: float(text) for name, text in untyped.items()}} == {
        f"f{i}": float(i) for i in range(1200)
    }


def test_a_feature_and_an_output_of_one_name_are_kept_apart(archive, connection):
    archive.add(release_event({("feature", "x"): "numeric"}), "releases")
    archive.add(single(row("a", {"x": None, "y": math.nan}, {"x": 1.0, "y": None})))
    assert connection.sql(
        "SELECT missing, missing_outputs, features.x, outputs.x FROM predictions"
    ).fetchall() == [({"x": "null", "y": "nan"}, {"y": "null"}, None, 1.0)]


def test_files_lie_by_model_and_date(archive):
    archive.add(batch([row("a", {}), row("b", {}, time=START + DAY), row("c", {}, time=-5)]))
    files = sorted(archive.disk.root.glob("predictions/model=*/*/*"))
    assert [str(file.relative_to(archive.disk.root / "predictions")) for file in files] == [
        f"model=flights/date={date}/p0000-000000000000-000000000000-id.parquet"
        for date in ("2013-02-01", "2013-02-02", "other")
    ]


def test_windows_of_several_lengths_are_revised_apart(archive, connection):
    for start, minutes, revision, value in (
        (0, 1, 0, 0.1),
        (0, 60, 0, 0.2),
        (1, 59, 0, 0.3),
        (0, 60, 1, 0.4),
        (0, 1, 1, 0.5),
    ):
        rows = statistic("psi", value, role="feature", column="distance")
        record = window(1, start, rows, minutes=minutes, revision=revision)
        archive.add(encode("statistic", record), "statistics")
    assert connection.sql(
        "SELECT epoch(window_end - window_start) / 60, value FROM statistics ORDER BY ALL"
    ).fetchall() == [(1, 0.5), (59, 0.3), (60, 0.4)]


def test_what_cannot_be_read_is_passed(archive, connection):
    with pytest.raises(UnreadableMessageError):
        archive.add(b"\xc3\x01 but no message")
    archive.add(single(row("a", {})))
    assert column(connection, "SELECT id FROM predictions") == ["a"]


@pytest.mark.parametrize("name", ["archive", "it's [a] *?"])
def test_a_confined_reader_reaches_nothing_else(tmp_path, name):
    (tmp_path / "secret.csv").write_text("a\n1\n")
    archive = Archive(tmp_path / name)
    archive.add(single(row("a", {})))
    with connect(tmp_path / name, confined=True) as connection:
        assert column(connection, "SELECT id FROM predictions") == ["a"]
        for query in (
            f"SELECT * FROM read_csv('{tmp_path}/secret.csv')",
            f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        ):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(query)
        with pytest.raises(duckdb.Error, match="locked"):
            connection.execute("SET enable_external_access = true")
    assert not (tmp_path / "out.csv").exists()


def test_where_no_archive_can_be_the_error_names_the_setting(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KedgeError, match=r"file/archive.*KEDGE_ARCHIVE__URL"):
        connect(tmp_path / "file" / "archive")


def _sent_again(archive):
    """Ten predictions in each of three days; those of the first came three times."""
    days = [
        [row(f"{day}-{n}", {"x": float(n)}, time=START + day * DAY + n) for n in range(10)]
        for day in range(3)
    ]
    for rows in (days[0], days[1], days[0], days[2], days[0]):
        archive.add(batch(rows))


def test_what_was_sent_again_is_in_the_log_and_once_among_the_distinct(archive, connection):
    _sent_again(archive)
    # The same order may be predicted by two releases, and once more later.
    archive.add(batch([row("0-0", {"x": 0.0})], replace(TAGS, release=8)))
    archive.add(batch([row("0-0", {"x": 0.0}, time=START + DAY)]))
    assert column(connection, "SELECT count(*) FROM predictions") == [52]
    assert column(connection, "SELECT count(*) FROM distinct_predictions") == [32]
    assert column(connection, "SELECT min(kafka_offset) FROM distinct_predictions") == [0]


def test_the_distinct_of_a_day_are_found_without_reading_the_others(archive, connection):
    _sent_again(archive)
    day = f"event_time < make_timestamptz({START + DAY})"
    query = f"SELECT count(*) FROM distinct_predictions WHERE {day}"
    assert column(connection, query) == [10]
    ((_, plan),) = connection.sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchall()
    assert re.findall(r'"rows_scanned": (\d+)', plan) == ["30"]


def test_a_prediction_that_was_sent_again_misses_a_feature_once(archive, connection):
    for _ in range(3):
        archive.add(batch([row("a", {"x": None, "y": 1.0}), row("b", {"x": 1.0, "y": "far"})]))
    archive.add(batch([row("a", {"x": None, "y": 1.0})], replace(TAGS, release=8)))
    assert connection.sql(
        "SELECT release, id, column_name, kind FROM missing ORDER BY ALL"
    ).fetchall() == [
        (7, "a", "x", "null"),
        (7, "b", "y", "wrong_type"),
        (8, "a", "x", "null"),
    ]


def test_a_prediction_that_was_sent_again_is_scored_once_with_its_latest_truth(archive, connection):
    _sent_again(archive)
    for truth, known_at in ((1.0, START + 2), (0.0, START + 3), (1.0, START + 1)):
        record = {
            "prediction_id": "0-4",
            "model": TAGS.model,
            "environment": TAGS.environment,
            "known_at": known_at,
            "truth": truth,
        }
        archive.add(encode("outcome", record), "outcomes")
    assert column(connection, "SELECT count(*) FROM scored") == [30]
    assert connection.sql("SELECT id, truth FROM scored WHERE truth IS NOT NULL").fetchall() == [
        ("0-4", 0.0)
    ]


def _alert(step, minute):
    return ALERT | {
        "id": step,
        "incident": "i",
        "model": "flights",
        "status": "resolved" if step == "recovered" else "firing",
        "step": step,
        "verdict": {"blame": "code", "because": ["Release 1 is healthy.", "It has this model."]},
        "onset": START,
        "onset_earliest": START - 1,
        "onset_latest": START + 1,
        "decision": {
            "action": "rolled_back",
            "from_release": 2,
            "to_release": 1,
            "generation": 3,
            "proposal": 4,
            "reason": "release 1 is healthy",
            "decided_at": START,
        },
        "produced_at": START + minute,
    }


def _rollback():
    return encode(
        "release_event",
        {
            "id": "move",
            "time": START,
            "model": "flights",
            "actor": "kedge-alerting",
            "reason": "",
            "alias": {
                "name": "production",
                "generation": 3,
                "from_release": 2,
                "to_release": 1,
                "model_version": "mv",
                "code_version": "cv",
                "incident": "i",
            },
        },
    )


def test_a_rollback_says_whose_fault_it_answered_and_whether_it_helped(archive, connection):
    archive.add(_rollback(), "releases")
    for minute, (step, helped) in enumerate(
        [("fired", None), ("not_helped", False), ("recovered", True)]
    ):
        archive.add(encode("alert", _alert(step, minute)), "alerts")
        (told,) = connection.sql(
            "SELECT verdict, verdict_because, epoch_us(onset), epoch_us(onset_earliest), "
            "epoch_us(onset_latest), decision_proposal, helped FROM rollbacks"
        ).fetchall()
        assert told == (
            "code",
            ["Release 1 is healthy.", "It has this model."],
            *(START, START - 1, START + 1),
            *(4, helped),
        )


def test_alerts_archived_before_they_said_so_much_are_asked_like_the_others(archive):
    archive.add(encode("alert", _alert("fired", 0)), "alerts")
    (path,) = (archive.disk.root / "alerts").glob("model=*/*/*.parquet")
    onsets = ("onset", "onset_earliest", "onset_latest")
    fewer = ["step", "verdict", "verdict_because", *onsets, "decision_proposal"]
    pq.write_table(pq.read_table(path).drop_columns(fewer), path)
    archive.add(encode("alert", _alert("recovered", 1)), "alerts")
    archive.add(_rollback(), "releases")
    with connect(archive.disk.root) as fresh:
        assert fresh.sql(
            "SELECT id, step, verdict, len(verdict_because), onset IS NULL, decision_proposal "
            "FROM alerts ORDER BY produced_at"
        ).fetchall() == [
            ("fired", None, None, None, True, None),
            ("recovered", "recovered", "code", 2, False, 4),
        ]
        assert fresh.sql("SELECT summary, verdict, helped FROM rollbacks").fetchall() == [
            (ALERT["summary"], None, True)
        ]
