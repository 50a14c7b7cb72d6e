"""A call that never returns, in a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from kedge.streams import watchdog

WATCHED = """
import threading
from kedge.streams.watchdog import Watchdog
dog = Watchdog({limit}, look=0.01)
for _ in range(3):
    with dog.limited():
        threading.Event().wait({call})
print("returned")
"""


def _watched(**values):
    return subprocess.run(
        [sys.executable, "-c", WATCHED.format(**values)],
        env=os.environ | {"PYTHONPATH": str(Path(watchdog.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_call_that_hangs_ends_the_process():
    ended = _watched(limit=0.05, call=None)
    assert ended.returncode == watchdog.EXIT_CODE
    assert "hangs" in ended.stdout + ended.stderr


def test_calls_are_timed_one_by_one():
    # Together they take longer than one may.
    ended = _watched(limit=30, call=0.02)
    assert (ended.returncode, ended.stdout) == (0, "returned\n")


def test_between_calls_no_clock_runs():
    dog = watchdog.Watchdog(0.0, look=0.01)
    with dog.limited():
        pass
    time.sleep(0.05)
    dog.close()
