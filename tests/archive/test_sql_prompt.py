"""The prompt of `kedge sql`, on a real terminal."""

import os
import sys

import pexpect
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from kedge.archive import connect
from kedge.cli.sql.completion import SqlCompleter

PROMPT = r"\x1b\[\?2004h.*?kedge>"
"""A new prompt, not what is typed at one: it switches bracketed paste on first."""
PATIENCE = 240
"""Seconds: the machine may be busy."""
LONG = "SELECT count(*) FROM range(100_000_000) AS a, range(100_000_000) AS b;"


@pytest.fixture
def terminal(tmp_path):
    """Starts `kedge` on a terminal of its own; all that are left at the end are killed."""
    started = []

    def start(*arguments):
        child = pexpect.spawn(
            sys.executable,
            ["-m", "kedge", *arguments],
            env={
                **os.environ,
                "KEDGE_HOME": str(tmp_path),
                "TERM": "xterm",
                "PROMPT_TOOLKIT_NO_CPR": "1",
            },
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 120),
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


@pytest.fixture
def prompt(terminal):
    child = terminal("sql")
    child.expect("Ctrl-D leaves")
    child.expect(PROMPT)
    return child


def said(child, text, wanted):
    """Say something, and wait for the answer and the next prompt."""
    child.send(f"{text}\r")
    child.expect(wanted)
    child.expect(PROMPT)


def test_a_statement_may_have_several_lines_and_ends_with_a_semicolon(prompt):
    prompt.send("SELECT 40 + -- not yet;\r")
    prompt.expect("…>")
    prompt.send("2 AS answer;\r")
    prompt.expect(" 42 ")


def test_what_is_wrong_is_said_and_the_prompt_goes_on(prompt):
    said(prompt, "SELECT relase FROM predictions;", "Candidate bindings")
    said(prompt, "COPY (SELECT 1) TO 'x';", "COPY is refused")
    said(prompt, ".nothing", r"\.nothing is nothing here")
    said(prompt, "SELECT 6 * 7 AS n;", " 42 ")


def test_commands_tell_what_there_is(prompt, tmp_path):
    said(prompt, ".help", r"\.describe +VIEW")
    said(prompt, ".views", "distinct_predictions")
    said(prompt, ".describe missing", "absent, null, nan, empty")
    said(prompt, ".macros", r"psi\(a, b\)")
    said(prompt, ".timing", "timing is on")
    said(prompt, ".format csv", "")
    said(prompt, "SELECT 7 * 6 AS n, 'x' AS m;", r"42,x\s+\d+\.\d+ s")
    said(prompt, ".format parquet", r"\.output FILE first")
    said(prompt, f".output {tmp_path}/found.json", "")
    said(prompt, "SELECT 7 * 6 AS n;", "written to")
    assert '"n": 42' in (tmp_path / "found.json").read_text()


def test_tab_completes_names_of_kedge(prompt):
    prompt.send("SELECT count(*) AS n FROM distinct_p\t")
    prompt.expect("redictions")
    prompt.send(";\r")
    prompt.expect(" 0 ")


def test_ctrl_c_cancels_the_query_and_not_the_prompt(prompt):
    prompt.send(f"{LONG}\r")
    # The bar shows that it runs.
    prompt.expect("Ctrl-C cancels it")
    prompt.sendintr()
    prompt.expect("cancelled")
    prompt.expect(PROMPT)
    said(prompt, "SELECT 6 * 7 AS n;", " 42 ")


def test_ctrl_d_leaves_and_the_next_prompt_knows_what_was_said(terminal, prompt, tmp_path):
    said(prompt, "SELECT 6 * 7 AS remembered;", " 42 ")
    prompt.sendeof()
    prompt.expect(pexpect.EOF)
    prompt.wait()
    assert prompt.exitstatus == 0
    history = tmp_path / "sql-history"
    assert "remembered" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0
    again = terminal("sql")
    again.expect(PROMPT)
    again.send("\x1b[A")  # the arrow up
    again.expect("remembered")


def test_parquet_is_not_for_a_terminal(terminal):
    child = terminal("sql", "SELECT 1", "--format", "parquet")
    child.expect("Parquet is nothing for a terminal")
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus == 2


@pytest.fixture(scope="module")
def completer(tmp_path_factory):
    with connect(tmp_path_factory.mktemp("archive")) as connection:
        yield SqlCompleter(connection, [".views", ".describe"])


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        (".v", ".views"),
        ("FROM pred", "predictions"),
        ("sel", "SELECT"),
        ("SELECT scored.tr", "truth"),
        ("SELECT miss", "missing"),
        ("SELECT ps", "psi"),
        (".describe out", "outcomes"),
        ("SELECT code_v", "code_version"),
    ],
)
def test_what_is_kedges_own_is_offered_first(completer, typed, first):
    offered = completer.get_completions(Document(typed), CompleteEvent())
    assert next(iter(offered)).text == first
