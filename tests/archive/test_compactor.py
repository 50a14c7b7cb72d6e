"""The compactor as a process: killed again and again, while others write and read."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archiving import Archiver, sent
from kedge import compactor
from kedge.archive import Catalog, Disk, connect
from kedge.archive.snapshots import models_of
from kedge.cli import app
from kedge.compactor import first_kept
from kedge.errors import KedgeError
from kedge.settings import Settings
from services import PATIENCE, eventually, running

LOG = [(offset, offset % 4) for offset in range(240)]


def _reading(root, stop, failures):
    """Look at an archive until `stop` is set: no row twice, and none that was there gone."""
    known = 0
    try:
        with connect(root) as connection:
            while not stop.is_set():
                ((rows, ids),) = connection.sql(
                    "SELECT count(*), count(DISTINCT id) FROM predictions"
                ).fetchall()
                assert rows == ids
                assert rows >= known
                known = rows
    except BaseException as error:  # noqa: BLE001 - it is raised below
        failures.append(error)


def _generations(root):
    catalog = Catalog(Disk(root))
    folders = models_of(Disk(root), "predictions")
    return sum(catalog.snapshot(folder).generation for folder in folders)


@pytest.mark.long
def test_a_killed_compactor_loses_and_doubles_nothing(tmp_path):
    root = tmp_path / "archive"
    environment = {
        **os.environ,
        "KEDGE_HOME": str(tmp_path),
        "KEDGE_ARCHIVE__COMPACT_EVERY": "0.01",
    }
    program = (
        "import threading; from kedge.compactor import run; from kedge.settings import Settings\n"
        "run(Settings(), threading.Event())"
    )
    stop, failures = threading.Event(), []
    readers = [threading.Thread(target=_reading, args=(root, stop, failures)) for _ in range(2)]
    archiver = Archiver(root, LOG)
    for reader in readers:
        reader.start()
    try:
        more = True
        while more:
            before = _generations(root)
            process = subprocess.Popen([sys.executable, "-c", program], env=environment)
            try:
                for _ in range(60):
                    more = archiver.read(1)
                    archiver.flush()
                eventually(lambda: _generations(root), lambda now, was=before: now > was)
            finally:
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE)
            if archiver.position >= len(LOG):
                break
    finally:
        stop.set()
        for reader in readers:
            reader.join(PATIENCE)
    assert failures == []
    settings = Settings(home=tmp_path, archive={"compact_every": 0.01, "grace": 0.01})
    with running(compactor.run, settings=settings):
        # What nobody needs any more is removed, and nothing else.
        eventually(
            lambda: sorted(
                str(path.relative_to(root)) for path in root.glob("predictions/*/*/*.parquet")
            ),
            lambda there: there == Catalog(Disk(root)).files("predictions") and len(there) < 40,
        )
    with connect(root) as connection:
        ids = connection.sql("SELECT id FROM predictions ORDER BY id").fetchall()
    assert [name for (name,) in ids] == sent(LOG)


def test_days_that_are_too_old_are_dropped(tmp_path):
    root = tmp_path / "archive"
    archiver = Archiver(root, LOG[:4])
    archiver.read(4)
    archiver.flush()
    settings = Settings(
        home=tmp_path,
        archive={"compact_every": 0.01, "grace": 0.01, "retain_days": {"predictions": 7}},
    )
    with running(compactor.run, settings=settings):
        eventually(lambda: list(root.glob("predictions/*/*")), lambda found: found == [])
    with connect(root) as connection:
        assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(0,)]


def test_predictions_that_are_still_joined_must_not_be_dropped(tmp_path):
    settings = Settings(home=tmp_path, archive={"retain_days": {"predictions": 6}})
    with pytest.raises(KedgeError, match=r"RETAIN_DAYS__PREDICTIONS is 6, .* last 7 days"):
        compactor.run(settings, threading.Event())


def test_today_and_so_many_days_before_it_are_kept():
    assert first_kept(1, 86_400.0 * 15_000) == "2011-01-25"
    assert first_kept(1, 86_400.0 * 15_000 - 0.001) == "2011-01-24"


@pytest.fixture
def kedge(tmp_path, monkeypatch):
    """`kedge archive`: what it prints."""
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))

    def run(*arguments):
        result = CliRunner().invoke(app, ["archive", *arguments])
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return run


def test_the_command_lists_merges_and_drops(tmp_path, kedge):
    archiver = Archiver(tmp_path / "archive", LOG[:8])
    while archiver.read(1):
        archiver.flush()
    files = kedge("files", "predictions", "--model", "flights").split()
    assert len(files) == 6
    assert all(Path(each).is_file() for each in files)
    told = kedge("compact").split()
    assert told[-6:] == [
        "predictions/model=delays",
        "4",
        "0",
        "predictions/model=flights",
        "6",
        "0",
    ]
    assert len(kedge("files", "predictions").split()) == 4
    retain = ("retain", "--before", "2013-02-02", "--dataset", "predictions")
    assert "Nothing was dropped" in kedge(*retain, "--dry-run")
    assert len(kedge("files", "predictions").split()) == 4
    assert "Nothing was dropped" not in kedge(*retain)
    assert len(kedge("files", "predictions").split()) == 2


def test_what_a_command_can_not_take_is_said(kedge):
    with pytest.raises(KedgeError, match="'yesterday': it takes a date"):
        kedge("retain", "--before", "yesterday")
    with pytest.raises(KedgeError, match="no dataset `x`; there are: predictions, outcomes"):
        kedge("files", "x")
