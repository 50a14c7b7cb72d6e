"""What a service touches while it goes on."""

import os
import threading

import pytest

from kedge.process import Heartbeat
from services import eventually


@pytest.mark.parametrize("ask", [Heartbeat.is_set, lambda beat: beat.wait(0)])
def test_the_file_is_touched_by_who_asks_and_by_nobody_else(tmp_path, ask):
    file = tmp_path / "alive"
    beat = Heartbeat(file)
    assert not file.exists()
    assert not ask(beat)
    assert file.exists()
    os.utime(file, (0, 0))
    beat.set()
    assert file.stat().st_mtime == 0


def test_it_is_touched_through_a_long_wait_which_ends_when_it_is_set(tmp_path):
    file, ended = tmp_path / "alive", []
    beat = Heartbeat(file)
    waiting = threading.Thread(target=lambda: ended.append(beat.wait(3600)))
    waiting.start()
    eventually(file.exists, bool)
    os.utime(file, (0, 0))
    eventually(lambda: file.stat().st_mtime, bool)
    beat.set()
    waiting.join(60)
    assert ended == [True]
