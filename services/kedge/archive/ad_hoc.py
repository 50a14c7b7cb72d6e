"""SQL that somebody else wrote, run in a process of its own with an end to its time and memory.

DuckDB's own limits are not enough for a service: its parser crashes on some texts, and what a list
or a text in the making takes does not count in its memory. A process can be killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedge.archive import ad_hoc_process
from kedge.archive.confinement import RefusedQueryError
from kedge.errors import KedgeError


class FailedQueryError(KedgeError):
    """DuckDB can't answer the query; it says why, and often what was meant."""


class QueryLimitError(KedgeError):
    """The query needs more time or memory than it may have."""

    exit_code = 124


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a query gave.

    Attributes:
        columns: their names, which need not be distinct.
        types: of the columns, as DuckDB writes them.
        rows: values as JSON can hold them: times in ISO 8601, bytes in hex, null for NaN.
        truncated: whether there were more rows.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: list[list[Any]]
    truncated: bool


def run_query(
    where: Path | str, sql: str, *, seconds: float, memory: int, rows: int
) -> QueryResult:
    """Ask the archive what somebody else wants to know.

    It can do nothing but read the archive's views: `kedge.archive.confinement` says what is
    refused, the process can write no file, and DuckDB can open none but the archive's.

    Args:
        where: the archive's folder or URL.
        sql: one statement.
        seconds: until it is given up, the start of the process included.
        memory: MiB that it may have.
        rows: most rows of the answer.

    Raises:
        RefusedQueryError: it is not one statement that only reads.
        FailedQueryError: DuckDB can't answer it.
        QueryLimitError: it needs more time or memory.
        KedgeError: there is no archive, or no process can be started.
    """
    limits = {"seconds": seconds, "memory": memory, "rows": rows}
    job = {"where": str(where), "sql": sql, **limits}
    try:
        ended = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            [sys.executable, "-P", "-m", ad_hoc_process.__name__],
            input=json.dumps(job).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise QueryLimitError(
            f"the query took longer than {seconds:g} seconds: ask for a shorter range of time"
        ) from error
    except OSError as error:
        raise KedgeError(f"no process can be started for the query: {error}") from error
    return _result(ended, memory)


def _result(ended: subprocess.CompletedProcess[bytes], memory: int) -> QueryResult:
    try:
        told = json.loads(ended.stdout)
    except ValueError:
        told = {"limit": True}  # it was ended while it worked: out of memory, most likely
    if "limit" in told:
        raise QueryLimitError(
            f"the query needs more than {memory} MiB: ask for fewer columns or rows, or for a "
            "shorter range of time"
        )
    if "refused" in told:
        raise RefusedQueryError(told["refused"], told["instead"])
    if "failed" in told:
        raise FailedQueryError(told["failed"])
    if "unavailable" in told:
        raise KedgeError(told["unavailable"])
    return QueryResult(
        tuple(told["columns"]), tuple(told["types"]), told["rows"], told["truncated"]
    )
