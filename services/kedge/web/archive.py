"""The archive for many requests at once: one DuckDB, a cursor and a time limit for each query."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa
import structlog

from kedge.archive import connect
from kedge.archive.ad_hoc import FailedQueryError, QueryLimitError, QueryResult, run_query
from kedge.archive.confinement import RefusedQueryError
from kedge.archive.waiting import waited_for
from kedge.errors import KedgeError
from kedge.web import problems
from kedge.web.problems import ApiError

_AT_ONCE = 4
"""Queries that run at the same time: each uses all cores."""

_log = structlog.get_logger(__name__)


class ArchiveReader:
    """Reads the archive's views; opened at the first query.

    Args:
        where: the archive's folder or URL.
        timeout: seconds after which a query, its wait for others included, is given up.
        memory: MiB that a query which a caller wrote may have.
    """

    def __init__(self, where: str, timeout: float, memory: int = 512) -> None:
        self._where, self._timeout, self._memory = where, timeout, memory
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._closed = threading.Event()

    def rows(self, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of a query with named parameters.

        Raises:
            ApiError: the archive is away, or the query took too long.
        """
        with self._turn(), self._cursor() as cursor:
            return self._answer(cursor, query, values)

    def answer(self, sql: str, rows: int) -> QueryResult:
        """What a caller's own SQL gives, in a process of its own.

        Args:
            sql: one statement that reads.
            rows: most rows of the answer.

        Raises:
            ApiError: the query is refused, wrong or too much, or the archive is away.
        """
        with self._turn():
            try:
                return run_query(
                    self._where, sql, seconds=self._timeout, memory=self._memory, rows=rows
                )
            except RefusedQueryError as error:
                raise ApiError(problems.REFUSED_QUERY, str(error), refused=error.refused) from error
            except FailedQueryError as error:
                raise ApiError(problems.FAILED_QUERY, str(error)) from error
            except QueryLimitError as error:
                raise ApiError(problems.QUERY_LIMIT, str(error)) from error
            except KedgeError as error:
                _log.error("archive_unavailable", error=str(error))
                raise _unavailable("the archive can't be opened") from error

    def close(self) -> None:
        """End the queries under way, then the connection: DuckDB closes none that is in use."""
        self._closed.set()
        for _ in range(_AT_ONCE):
            self._turns.acquire()
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        self._check_open()
        if not self._turns.acquire(timeout=self._timeout):
            raise _unavailable("the archive has too many queries to answer at once")
        try:
            yield
        finally:
            self._turns.release()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise _unavailable("the server is stopping")

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                try:
                    self._connection = connect(self._where, confined=True)
                except (KedgeError, duckdb.Error) as error:
                    _log.error("archive_unavailable", error=str(error))
                    raise _unavailable("the archive can't be opened") from error
            return self._connection.cursor()

    def _answer(
        self, cursor: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        def ask() -> pa.Table:
            # By Arrow: it is what gives times with their zone.
            return cursor.sql(query, params=dict(values)).to_arrow_table()

        try:
            table = waited_for(cursor, ask, seconds=self._timeout, meanwhile=self._check_open)
        except TimeoutError as error:
            raise _unavailable(
                f"the archive did not answer in {self._timeout:g} seconds: ask for a shorter time "
                "range, or see KEDGE_WEB__QUERY_TIMEOUT"
            ) from error
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            # The second is what DuckDB makes of an error while files are listed.
            _log.error("archive_unreadable", error=str(error))
            raise _unavailable("a file of the archive can't be read") from error
        else:
            rows: list[dict[str, Any]] = table.to_pylist()
            return rows


def _unavailable(detail: str) -> ApiError:
    return ApiError(problems.UNAVAILABLE, detail, headers={"Retry-After": "5"})
