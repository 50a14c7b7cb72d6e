"""The process that a query of somebody else runs in: `python -m kedge.archive.ad_hoc_process`.

The job comes by standard input, the answer goes to standard output, each as JSON.
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import signal
import sys
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from kedge.archive.confinement import RefusedQueryError, checked
from kedge.archive.json_values import plain, rows_of
from kedge.archive.views import connect
from kedge.errors import KedgeError

LARGEST: Final = 16 << 20
"""Characters of an answer's rows; what comes after is left out."""


def main() -> None:
    """Answer the one query of standard input."""
    job = json.load(sys.stdin)
    # Whoever started this kills it in time, unless it was killed itself.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(job["seconds"]) + 1)
    json.dump(_answer(job), sys.stdout)


def _answer(job: dict[str, Any]) -> dict[str, Any]:
    try:
        with connect(job["where"], confined=True, memory=job["memory"]) as connection:
            _limit(job["memory"] << 20)
            return _ask(connection, job["sql"], job["rows"])
    except RefusedQueryError as error:
        return {"refused": error.refused, "instead": error.instead}
    except KedgeError as error:
        return {"unavailable": str(error)}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"limit": True}
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        return {"failed": str(error).rstrip()}


def _ask(connection: duckdb.DuckDBPyConnection, sql: str, most: int) -> dict[str, Any]:
    relation = connection.sql(checked(connection, sql))
    # The limit goes into the plan: no more is worked out than is shown.
    table = relation.limit(most + 1).to_arrow_table()
    rows: list[list[Any]] = []
    size = 0
    for row in rows_of(table.slice(0, most)):
        rows.append([plain(value) for value in row])
        size += len(json.dumps(rows[-1]))
        if size > LARGEST:
            rows.pop()
            break
    return {
        "columns": relation.columns,
        "types": [str(each) for each in relation.types],
        "rows": rows,
        "truncated": len(rows) < table.num_rows,
    }


def _limit(memory: int) -> None:
    """Let this process write no file, and have no more memory than DuckDB and its rows may."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # DuckDB's own limit is `memory`, and its message the better one; this one is for the rest.
    limit = _data_size() + 2 * memory
    with contextlib.suppress(ValueError, OSError):  # a system that has no such limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _data_size() -> int:
    """Bytes that this process has for its data by now."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmData:"))
    return int(kib) << 10


if __name__ == "__main__":
    main()
