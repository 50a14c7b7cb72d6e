"""The command as a whole: quick help, help everywhere, errors without tracebacks."""

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from kedge.cli import app


def _commands(command, path=()):
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


@pytest.mark.parametrize("path", list(_commands(typer.main.get_command(app))), ids=" ".join)
def test_every_command_explains_itself(path):
    shown = CliRunner().invoke(app, [*path, "--help"])
    assert shown.exit_code == 0
    told = [line for line in shown.output.splitlines() if line.strip()]
    # The usage, and below it at least a sentence of what it does.
    assert len(told[1].split()) >= 3


def test_help_waits_for_nothing_heavy():
    code = (
        "import sys; from typer.testing import CliRunner; from kedge.cli import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "print(*{'confluent_kafka', 'duckdb', 'fastapi', 'numpy', 'pyarrow', 'sqlalchemy'}"
        " & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_what_the_user_can_mend_is_one_line_and_exit_code_1(tmp_path, monkeypatch):
    monkeypatch.delenv("KEDGE_KAFKA__BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv("KEDGE_HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "kedge", "run", "profiler"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "kedge broker start" in done.stderr


def test_a_bare_install_says_what_the_command_line_needs(tmp_path):
    """The SDK alone is installed: nothing but its three dependencies can be imported."""
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError('no typer', name='typer')")
    done = subprocess.run(
        [sys.executable, "-m", "kedge", "--help"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install 'kedge[services]'" in done.stderr
    assert "Traceback" not in done.stderr
