"""SQL over HTTP: an answer, and what is refused."""

import httpx
import pytest

from statistic_records import increase, window
from web.asking import API, archived, client, serving, web_settings

SQL = f"{API}/sql"


def ask(asking, query, **more):
    return asking.post(SQL, json={"query": query, **more})


def test_a_reader_asks_what_nobody_has_thought_of(reader, served):
    windows = [window(1, minute, increase(0.5), model="m") for minute in range(3)]
    archived(served, "statistics", "statistic", windows)
    answer = ask(reader, "SELECT release, count(*) AS n FROM statistics GROUP BY ALL")
    assert answer.json() == {
        "columns": [{"name": "release", "type": "BIGINT"}, {"name": "n", "type": "BIGINT"}],
        "rows": [[1, 3]],
        "truncated": False,
    }
    answer = ask(reader, "FROM range(9)", rows=2)
    assert (answer.json()["rows"], answer.json()["truncated"]) == ([[0], [1]], True)


@pytest.mark.parametrize(
    ("query", "kind", "said", "refused"),
    [
        ("COPY (SELECT 1) TO 'x'", "refused-query", "read only", "COPY"),
        ("SELECT 1; SELECT 2", "refused-query", "one statement", "a text with 2 statements"),
        ("FROM read_text('/etc/hostname')", "refused-query", "SHOW TABLES", "FROM read_text()"),
        ("SELECT relase FROM statistics", "failed-query", 'Candidate bindings: "release"', None),
        ("SELEC 1", "failed-query", "syntax error", None),
    ],
)
def test_what_cannot_be_answered_is_a_problem_that_says_why(reader, query, kind, said, refused):
    answer = ask(reader, query)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (422, f"urn:kedge:problem:{kind}")
    assert said in problem["detail"]
    assert problem.get("refused") == refused


@pytest.mark.parametrize("body", [{}, {"query": ""}, {"query": "SELECT 1", "rows": 0}])
def test_a_question_that_is_none_is_invalid(reader, body):
    answer = reader.post(SQL, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:kedge:problem:invalid")


def test_strangers_and_forms_are_turned_away(reader, stranger):
    assert ask(stranger, "SELECT 1").status_code == httpx.codes.UNAUTHORIZED
    form = reader.post(SQL, data={"query": "SELECT 1"})
    assert form.status_code == httpx.codes.UNSUPPORTED_MEDIA_TYPE


def test_a_wrong_query_does_not_fill_the_audit(reader, registry):
    ask(reader, "SELEC 1")
    assert not any(entry.action == "query_archive" for entry in registry.audit.newest(100))


def test_a_query_that_takes_too_long_is_ended(impatient):
    settings, token = impatient
    with serving(settings), client(settings, token) as asking:
        answer = ask(asking, "SELECT sleep_ms(200_000)")
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:kedge:problem:query-limit")
    assert "longer than 3 seconds" in answer.json()["detail"]


@pytest.fixture
def impatient(tmp_path, tokens):
    """Settings of a server with little patience, and a reader's token."""
    return web_settings(tmp_path, query_timeout=3.0), tokens["read"]
