"""The file of an incident, opened by DuckDB alone, against the archive that it was made from."""

import json
import subprocess
import sys
import uuid

import duckdb
import pytest
from typer.testing import CliRunner

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect
from kedge.cli import app
from kedge.contracts import encode
from kedge.errors import KedgeError
from logged import START, TAGS, batch, release_event

MINUTE = 60_000_000
SIGNATURE = {
    ("feature", "distance"): "numeric",
    ("feature", "carrier"): "categorical",
    ("output", "output"): "numeric",
}
INCIDENT = "abc-'1"
TAGGED = {
    "model": TAGS.model,
    "model_version": "mv",
    "code_version": "cv",
    "release": 7,
    "environment": "test",
}


def _write(disk, ledger, dataset, messages):
    writer = PartitionWriter(disk, ledger, dataset, "id", 0)
    writer.resume(0)
    for offset, message in enumerate(messages):
        writer.add(offset, message)
    assert writer.flush()


def _alert(status, end):
    return encode(
        "alert",
        {
            **TAGGED,
            "id": f"alert-{status}",
            "fingerprint": "f",
            "incident": INCIDENT,
            "status": status,
            "alias": "production",
            "rule": "shift",
            "severity": "critical",
            "action": "rollback",
            "statistic": "psi",
            "role": "feature",
            "column": "distance",
            "threshold": 0.25,
            "starts_at": START + 60 * MINUTE,
            "window_start": end - MINUTE,
            "window_end": end,
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
                "decided_at": end,
            },
            "produced_at": end,
        },
    )


def _statistics(minute):
    return encode(
        "statistic",
        {
            **TAGGED,
            "window_start": START + minute * MINUTE,
            "window_end": START + (minute + 1) * MINUTE,
            "revision": 0,
            "rows": 10,
            "errors": 1,
            "statistics": [
                {"name": "psi", "role": "feature", "column": "distance", "value": 0.1, "rows": 9}
            ],
        },
    )


@pytest.fixture(autouse=True)
def archive(tmp_path, monkeypatch):
    """Two hours with an incident after the first, ten predictions a minute."""
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))
    disk = Disk(tmp_path / "archive")
    ledger = ColumnLedger(disk)
    _write(disk, ledger, "releases", [release_event(SIGNATURE)])
    rows = [
        {
            "id": str(uuid.UUID(int=i)),
            "time": START + i * MINUTE // 10,
            "features": {"distance": float(i), "carrier": "AA"} if i % 4 else {"carrier": "AA"},
            "filled": set(),
            "outputs": {"output": 0.5},
            "latency": 1.0,
            "error": None,
        }
        for i in range(1200)
    ]
    _write(disk, ledger, "predictions", [batch(rows[i : i + 100]) for i in range(0, 1200, 100)])
    outcomes = [
        {
            "prediction_id": row["id"],
            "model": "flights",
            "environment": "test",
            "known_at": row["time"] + 1,
            "truth": 1.0,
        }
        for row in rows[::2]
    ]
    _write(disk, ledger, "outcomes", [encode("outcome", each) for each in outcomes])
    _write(disk, ledger, "statistics", [_statistics(minute) for minute in range(120)])
    ends = (("firing", 62), ("resolved", 70))
    _write(disk, ledger, "alerts", [_alert(status, START + end * MINUTE) for status, end in ends])
    with connect(tmp_path / "archive") as connection:
        yield connection


def _exported(path, *options):
    arguments = ["export-incident", INCIDENT, "--output", str(path), "--json", *options]
    shown = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert shown.exit_code == 0
    return json.loads(shown.stdout)


_COUNTS = """SELECT (SELECT count(*) FROM predictions), (SELECT count(*) FROM outcomes),
    (SELECT count(*) FROM statistics), (SELECT count(*) FROM alerts),
    (SELECT count(*) FROM releases)"""


def test_duckdb_alone_finds_what_the_archive_has(archive, tmp_path):
    path = tmp_path / "it's.duckdb"
    done = _exported(path, "--before", "30m", "--after", "10m")
    since, until = START + 30 * MINUTE, START + 80 * MINUTE
    assert (done["onset"], done["since"], done["until"]) == (START + 60 * MINUTE, since, until)
    inside = f"event_time >= make_timestamptz({since}) AND event_time < make_timestamptz({until})"
    (wanted,) = archive.sql(
        f"""SELECT count(*), count(truth), sum(features.distance), missing_rate(features.distance)
        FROM scored WHERE {inside}"""
    ).fetchall()
    assert wanted[0] == 500
    program = (
        "import duckdb, json, sys\n"
        f"file = duckdb.connect({str(path)!r}, read_only=True)\n"
        f"print(json.dumps(file.sql({_COUNTS!r}).fetchall()))\n"
        "print(json.dumps(file.sql('SELECT count(*), count(truth), sum(features.distance), "
        "missing_rate(features.distance) FROM scored').fetchall()))\n"
        "for (query,) in file.sql('SELECT query FROM readme WHERE query IS NOT NULL').fetchall():\n"
        "    print(len(file.sql(query).to_arrow_table()))\n"
        "assert not [name for name in sys.modules if name.startswith('kedge')]\n"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    counts, scored, *queried = ran.stdout.splitlines()
    assert json.loads(counts) == [[500, 250, 50, 2, 1]] == [list(done["rows"].values())]
    assert json.loads(scored) == [list(wanted)]
    assert all(int(rows) > 0 for rows in queried)
    assert [each.name for each in tmp_path.iterdir() if each.suffix == ".part"] == []
    assert done["size"] == path.stat().st_size


def test_a_file_is_bounded_and_can_do_without_values(tmp_path):
    path = tmp_path / "small.duckdb"
    done = _exported(path, "--most", "100", "--no-values", "--before", "30m", "--after", "10m")
    assert (done["rows"]["predictions"], done["left_out"]) == (100, 400)
    with duckdb.connect(str(path), read_only=True) as file:
        assert file.sql("SELECT count(features), count(outputs) FROM predictions").fetchall() == [
            (0, 0)
        ]
        assert file.sql("SELECT count(truth), count(truth_text) FROM outcomes").fetchall() == [
            (0, 0)
        ]
        kept = "SELECT count(*) FROM missing WHERE column_name = 'distance' AND kind = 'absent'"
        ids = [name for (name,) in file.sql("SELECT id FROM predictions").fetchall()]
        lacking = sum(uuid.UUID(name).int % 4 == 0 for name in ids)
        assert file.sql(kept).fetchall() == [(lacking,)]
        (told,) = file.sql("SELECT says FROM readme WHERE topic = 'whole'").fetchall()
        uncommented = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'predictions' "
        assert file.sql(f"{uncommented} AND comment IS NULL").fetchall() == []
    assert "400 predictions were too many" in told[0]


def test_an_unknown_incident_names_those_that_there_are():
    with pytest.raises(KedgeError, match=r"no incident `nobody`; the newest are `abc-'1`"):
        CliRunner().invoke(app, ["export-incident", "nobody"], catch_exceptions=False)
