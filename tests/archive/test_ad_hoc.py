"""Queries in a process of their own: what they give, and where they end."""

import json

import pytest

from kedge.archive import connect
from kedge.archive.ad_hoc import FailedQueryError, QueryLimitError, run_query
from kedge.archive.confinement import RefusedQueryError
from kedge.errors import KedgeError


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("ad-hoc") / "archive"
    with connect(path):
        return path


def asked(archive, sql, *, seconds=120, memory=256, rows=10):
    return run_query(archive, sql, seconds=seconds, memory=memory, rows=rows)


def test_an_answer_has_names_types_and_values_for_json(archive):
    found = asked(
        archive,
        "SELECT 1 AS a, 'x' AS a, TIMESTAMPTZ '2013-02-01 12:00:00+01' AS t, 'nan'::DOUBLE AS n, "
        "[{'k': NULL}] AS l, MAP {'m': DATE '2013-02-01'} AS m, '\\xAB'::BLOB AS b, "
        "TIMESTAMP '290000-01-01' AS far, MAP {[1]: 2} AS odd",
    )
    assert found.columns == ("a", "a", "t", "n", "l", "m", "b", "far", "odd")
    assert found.types[:4] == ("INTEGER", "VARCHAR", "TIMESTAMP WITH TIME ZONE", "DOUBLE")
    assert found.rows == [
        [
            *(1, "x", "2013-02-01T11:00:00+00:00", None, [{"k": None}], {"m": "2013-02-01"}),
            *("ab", "290000-01-01 00:00:00", "{[1]=2}"),
        ]
    ]
    assert not found.truncated


def test_every_type_of_duckdb_can_be_told(archive):
    found = asked(archive, "FROM test_all_types()")
    assert len(found.rows) == 3
    assert json.loads(json.dumps(found.rows, allow_nan=False)) == found.rows


@pytest.mark.parametrize(("most", "given", "cut"), [(1, 1, True), (4, 4, True), (5, 5, False)])
def test_rows_beyond_the_limit_are_left_out_and_it_says_so(archive, most, given, cut):
    found = asked(archive, "FROM range(5) ORDER BY range DESC", rows=most)
    assert found.rows == [[4 - n] for n in range(given)]
    assert found.truncated is cut


def test_an_endless_answer_is_read_no_further_than_it_is_shown(archive):
    assert asked(archive, "FROM range(1_000_000_000_000)", rows=2).rows == [[0], [1]]


def test_an_answer_larger_than_a_page_can_be_is_cut(archive):
    found = asked(archive, "SELECT repeat('x', 4_000_000) FROM range(9)", memory=512)
    assert 0 < len(found.rows) < 9
    assert found.truncated


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(range) FROM range(200_000_000)",
        # What DuckDB does not count.
        "SELECT range(1, 300_000_000)",
        "SELECT length(repeat('x', 1_500_000_000))",
    ],
)
def test_a_query_that_needs_too_much_memory_is_ended(archive, sql):
    with pytest.raises(QueryLimitError, match="more than 128 MiB"):
        asked(archive, sql, memory=128)


def test_a_query_that_takes_too_long_is_ended_wherever_it_is(archive):
    with pytest.raises(QueryLimitError, match=r"longer than 3 seconds"):
        asked(archive, "SELECT sleep_ms(200_000)", seconds=3)


def test_what_duckdb_says_is_passed_on(archive):
    with pytest.raises(FailedQueryError, match='Candidate bindings: "release"'):
        asked(archive, "SELECT relase FROM predictions")
    with pytest.raises(RefusedQueryError, match="COPY is refused") as refused:
        asked(archive, f"COPY (SELECT 1) TO '{archive}/x.csv'")
    assert refused.value.refused == "COPY"


def test_where_no_archive_can_be_it_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(KedgeError, match="no archive can be made"):
        asked(tmp_path / "file" / "archive", "SELECT 1")
