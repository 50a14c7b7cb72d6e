"""A decision is the same whichever line its process was killed at, and it is done once."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dying
from kedge import alerting


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["auto", "approve"])
def test_killed_at_any_line_it_decides_once_and_tells_the_same(tmp_path, mode):
    source, tests = Path(alerting.__file__).parents[1], Path(dying.__file__).parent
    subprocess.run(
        [sys.executable, "-m", "dying", str(tmp_path), mode],
        env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{tests}"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    told = json.loads((tmp_path / "found.json").read_text())
    undisturbed = told["undisturbed"]
    decisions = [alert["decision"] for alert in undisturbed["alerts"]]
    action = {"auto": "rolled_back", "approve": "proposed"}[mode]
    assert [decision["action"] for decision in decisions] == [action] * 2
    assert len(undisturbed["history"]) == (3 if mode == "auto" else 2)
    assert len(undisturbed["proposals"]) == (mode == "approve")
    assert len(told["found"]) > 100
    for line, was_killed, after in told["found"]:
        assert was_killed, line
        assert after == undisturbed, line
