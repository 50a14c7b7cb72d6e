"""The end of the log, and what comes after it."""

from __future__ import annotations

import pytest

from kedge.broker.log_file import follow, tail


@pytest.mark.parametrize("lines", [0, 1, 3, 10])
def test_the_tail_is_the_last_lines(tmp_path, lines):
    log = tmp_path / "server.log"
    written = [f"line {n} é ok\n" for n in range(5)]
    log.write_text("".join(written))

    assert tail(log, lines) == "".join(written[5 - min(lines, 5) :])


def test_the_tail_of_a_long_log_is_found_at_its_end(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("".join(f"{n:0100}\n" for n in range(20_000)))

    assert tail(log, 2) == f"{19_998:0100}\n{19_999:0100}\n"


def test_there_is_no_tail_without_a_log(tmp_path):
    assert tail(tmp_path / "none", 5) == ""


def test_following_tells_what_is_added_and_goes_on_in_a_renewed_file(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("one\ntwo\n")
    told = follow(log, 1)
    assert next(told) == "two\n"

    with log.open("a") as file:
        file.write("three\n")
    assert next(told) == "three\n"

    with log.open("a") as file:
        file.write("last words\n")
    log.replace(tmp_path / "server.log.1")
    log.write_text("new\n")
    assert next(told) == "last words\n"
    assert next(told) == "new\n"
    told.close()
