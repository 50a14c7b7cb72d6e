"""The receiver of `docs/webhooks.md`, as a reader would run it."""

import base64
import re
import socket
import subprocess
import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from kedge.cli import webhooks as webhooks_cli
from services import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "webhooks.md"
SECRET = "whsec_" + base64.b64encode(b"g" * 32).decode()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_receiver_of_the_guide_takes_what_is_signed(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    port = _free_port()
    script = tmp_path / "receiver.py"
    script.write_text(code.replace("8000", str(port)))
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'model = "flights"\n[[rules]]\nname = "r"\nstatistic = "psi"\nabove = 0.25\n'
        f'[[webhooks]]\nname = "oncall"\nurl = "http://127.0.0.1:{port}/"\n'
    )
    monkeypatch.setenv("KEDGE_ALERTING__WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("KEDGE_ALERTING__POLICY", str(policy))
    monkeypatch.setenv("KEDGE_WEBHOOKS__ALLOW", "127.0.0.1")
    app = typer.Typer()
    webhooks_cli.add_to(app)
    with subprocess.Popen(
        [sys.executable, "-u", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as receiver:
        try:
            eventually(lambda: _answers(port), bool)
            taken = CliRunner().invoke(app, ["webhooks", "test", "oncall"])
            monkeypatch.setenv("KEDGE_ALERTING__WEBHOOK_SECRET", SECRET.replace("Z", "Y"))
            refused = CliRunner().invoke(app, ["webhooks", "test", "oncall"])
        finally:
            receiver.kill()
        printed = receiver.stdout.read().splitlines()
    assert (taken.exit_code, refused.exit_code) == (0, 1)
    assert printed == [
        "firing test None This is a test of the webhook: nothing is wrong.",
        "resolved test None The test of the webhook is over.",
    ]
