"""The archive for many requests at once: one DuckDB, a cursor and a time limit for each query."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import duckdb
import pyarrow as pa
import structlog

from kedge.archive import connect
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
    """

    def __init__(self, where: str, timeout: float) -> None:
        self._where, self._timeout = where, timeout
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)

    def rows(self, query: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows of a query with named parameters.

        Raises:
            ApiError: the archive is away, or the query took too long.
        """
        if not self._turns.acquire(timeout=self._timeout):
            raise _unavailable("the archive has too many queries to answer at once")
        try:
            with self._cursor() as cursor:
                return self._answer(cursor, query, values)
        finally:
            self._turns.release()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

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
        timer = threading.Timer(self._timeout, cursor.interrupt)
        timer.daemon = True
        timer.start()
        try:
            # By Arrow: it is what gives times with their zone.
            table: pa.Table = cursor.sql(query, params=dict(values)).to_arrow_table()
        except duckdb.InterruptException as error:
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
        finally:
            timer.cancel()


def _unavailable(detail: str) -> ApiError:
    return ApiError(problems.UNAVAILABLE, detail, headers={"Retry-After": "5"})
