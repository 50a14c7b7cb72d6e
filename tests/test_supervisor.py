"""`kedge up` and its children, as processes."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from kedge.errors import KedgeError
from kedge.supervisor import SERVICES, Child, Supervisor, service, service_children, wanted
from services import PATIENCE, eventually


def environment(settings):
    """What a child process needs to have the same settings."""
    return {
        **os.environ,
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
        "KEDGE_STREAM__PARTITIONS": str(settings.stream.partitions),
        "KEDGE_WEB__PORT": "0",
    }


def _children_of(pid):
    """Process ids and command lines, by the operating system's own list."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    lines = [line.strip().split(maxsplit=1) for line in listed.stdout.splitlines()]
    return {int(child): command for child, command in lines if "kedge run" in command}


def _alive(pid):
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listed.stdout.strip()[:1] not in ("", "Z")


@pytest.fixture
def up(settings):
    """A running `kedge up` with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", "kedge", "up"],
        env=environment(settings),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        eventually(lambda: len(_children_of(process.pid)), lambda n: n == len(wanted(settings)))
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_up_runs_every_service_restarts_what_dies_and_stops_cleanly(up, settings):
    children = _children_of(up.pid)
    victim = next(pid for pid, command in children.items() if command.endswith("run profiler"))
    os.kill(victim, signal.SIGKILL)
    again = eventually(
        lambda: _children_of(up.pid),
        lambda now: victim not in now and len(now) == len(wanted(settings)),
    )
    # Nobody else was touched.
    assert set(children) - {victim} < set(again)
    up.send_signal(signal.SIGTERM)
    assert up.wait(PATIENCE) == 0
    assert not any(map(_alive, again))


def test_children_end_when_their_supervisor_is_killed(up):
    children = _children_of(up.pid)
    up.kill()
    up.wait()
    eventually(lambda: [pid for pid in children if _alive(pid)], lambda left: left == [])


def test_what_keeps_dying_is_restarted_with_growing_pauses(tmp_path):
    stop = threading.Event()
    child = Child("broken", ("run", "no-such-service"))
    supervisor = Supervisor([child], logs=tmp_path, tend=lambda: None)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        log = tmp_path / "broken.log"
        deaths = lambda: log.read_text().count("no-such-service") if log.exists() else 0  # noqa: E731
        eventually(deaths, lambda n: n >= 3)
        assert child.pause >= 2.0
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert "there are: registry, profiler" in log.read_text()


def test_children_come_and_go_while_it_runs(settings, monkeypatch, tmp_path):
    for name, value in environment(settings).items():
        monkeypatch.setenv(name, value)
    stop = threading.Event()
    first, second = Child("first", ("run", "profiler")), Child("second", ("run", "profiler"))
    supervisor = Supervisor([first], logs=tmp_path, tend=lambda: None)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        supervisor.add(second)
        # Before it is up, a signal would end it without a word.
        eventually((tmp_path / "second.log").exists, bool)
        eventually((tmp_path / "second.log").read_text, lambda said: "started" in said)
        kept = first.process
        supervisor.remove(second)
        eventually(lambda: supervisor.children, lambda left: left == [first])
        assert second.process is None
        assert first.process is kept
        assert kept.poll() is None
    finally:
        stop.set()
        thread.join(PATIENCE)
    assert '"stopped"' in (tmp_path / "second.log").read_text()


def test_there_is_a_run_for_each_service_and_none_for_others():
    assert all(callable(service(name)) for name in SERVICES)
    assert [child.arguments for child in service_children(["monitor"])] == [("run", "monitor")]
    with pytest.raises(KedgeError, match="no service `profilr`; there are: registry"):
        service("profilr")
