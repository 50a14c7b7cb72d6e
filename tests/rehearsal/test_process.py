"""Releases that are well and releases that are not, each in a real process."""

import json
import os
import time
from pathlib import Path

import pytest

from kedge.rehearsal.process import replay
from kedge.rehearsal.replay import Answer

RIGHT = """
def load(artifact):
    return float(artifact.read_text())

def prepare(instance):
    raise AssertionError("what is logged was prepared before")

def predict(model, rows):
    return [row["x"] * model for row in rows]
"""
ROWS = [{"x": float(n)} for n in range(120)]


@pytest.fixture
def replayed(tmp_path):
    artifact = tmp_path / "model.txt"
    artifact.write_text("2.0")

    def run(code, rows=ROWS, *, seconds=60.0, mib=2048):
        bundle = tmp_path / "inference.py"
        bundle.write_text(code)
        return replay(artifact, bundle, "c0de", rows, seconds=seconds, mib=mib)

    return run


def test_a_release_answers_each_input(replayed):
    done = replayed(RIGHT)
    assert (done.fault, done.timeout, done.hindrance) == (None, None, None)
    assert done.answers == tuple(Answer({"output": 2.0 * n}) for n in range(120))


def test_what_it_writes_to_its_output_is_no_answer(replayed):
    noisy = 'import os, sys\nprint(\'{"done": true}\')\nos.write(1, b"[]" * 200_000)\n' + RIGHT
    assert replayed(noisy).answers[3] == Answer({"output": 6.0})


def test_outputs_are_those_that_would_be_logged(replayed):
    outputs = """
import numpy as np
def predict(model, rows):
    return [{"p": np.float32(0.5), "v": np.ones(2), "n": None, "nan": float("nan")} for _ in rows]
"""
    (answer,) = replayed(RIGHT + outputs, ROWS[:1]).answers
    assert answer.outputs.pop("nan") != 0
    assert answer.outputs == {"p": 0.5, "v": [1.0, 1.0], "n": None}


def test_inputs_that_raise_are_told_apart(replayed):
    raising = RIGHT.replace('row["x"]', '1 / (row["x"] - 60)')
    answers = replayed(raising).answers
    assert [i for i, answer in enumerate(answers) if answer.error] == [60]
    assert answers[60] == Answer({}, "ZeroDivisionError")
    assert answers[61] == Answer({"output": 2.0})


def test_a_wrong_number_of_outputs_is_an_error_of_each_row(replayed):
    answers = replayed(RIGHT + "\ndef predict(model, rows):\n    return []\n").answers
    assert {answer.error for answer in answers} == {"ValueError"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import no_such_module\n" + RIGHT, "No module named"),
        ("raise SystemExit(3)\n" + RIGHT, "SystemExit(3)"),
        (RIGHT.replace("return float", "return int"), "invalid literal"),
        ("def load(artifact): pass\n", "defines no function prepare, predict"),
        (RIGHT + "\ndef load(artifact):\n    return bytes(1 << 40)\n", "MemoryError"),
    ],
)
def test_a_release_that_can_not_be_loaded_is_told_with_the_reason(replayed, code, says):
    done = replayed(code)
    assert "it can't be loaded" in done.fault
    assert says in done.fault
    assert done.answers == ()


def test_a_release_that_eats_memory_is_stopped(replayed):
    eating = (
        RIGHT
        + """
def predict(model, rows):
    eaten = []
    while True:
        eaten.append(bytearray(16 << 20))
"""
    )
    answers = replayed(eating, ROWS[:2], mib=1024).answers
    assert {answer.error for answer in answers} == {"MemoryError"}


def test_a_release_that_dies_is_told_with_the_signal(replayed):
    done = replayed("import os\n" + RIGHT + "\ndef predict(m, r):\n    os.kill(os.getpid(), 11)\n")
    assert "it loaded and answered 0 inputs and was then ended by SIGSEGV" in done.fault


HANGING = """
import os, subprocess, sys, time
def predict(model, rows):
    if rows[0]["x"] >= 50:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(os.environ["HOME"] + "/../pids", "w") as file:
            file.write(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    return [0.0] * len(rows)
"""


def test_a_release_that_hangs_is_killed_with_its_children(replayed, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = replayed(RIGHT + HANGING, seconds=8.0)
    assert done.fault is None
    assert done.timeout == "it loaded and answered 50 inputs within 8 seconds and 2048 MiB"
    assert len(done.answers) == 50
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        _gone(pid)
    assert list(tmp_path.glob("kedge-rehearsal-*")) == []


def _gone(pid):
    """Killed at once; who adopts it takes a moment to bury it."""
    for _ in range(500):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
                return
        except FileNotFoundError:
            return
        time.sleep(0.02)
    raise AssertionError(f"process {pid} is alive")


def test_secrets_of_the_environment_stay_here(replayed, monkeypatch):
    monkeypatch.setenv("KEDGE_ALERTING__WEBHOOK_SECRET", "whsec_secret")
    looking = (
        RIGHT
        + """
import json, os
def predict(model, rows):
    return [{"seen": json.dumps(dict(os.environ))}]
"""
    )
    (answer,) = replayed(looking, ROWS[:1]).answers
    seen = answer.outputs["seen"]
    assert "whsec_secret" not in seen
    assert json.loads(seen).keys() >= {"PATH", "HOME", "TMPDIR"}
    assert json.loads(seen)["HOME"] != os.environ["HOME"]
