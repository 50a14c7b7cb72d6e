"""An archive of any size, as the archiver would have left it, made by DuckDB in little time."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np

from kedge.archive import Disk, prepare
from kedge.archive.layout import component, file_name

MODEL = "flights"
ENVIRONMENT = "production"
DAY = 86_400_000_000
START = 1_700_006_400_000_000 // DAY * DAY
"""Midnight, microseconds since 1970 UTC."""

_COLUMNS = """
    md5(i::VARCHAR)::UUID::VARCHAR AS id,
    make_timestamptz({start} + i * {step}) AS event_time,
    '{model}' AS model, 'mv' AS model_version, 'cv' AS code_version,
    1::BIGINT AS release, '{environment}' AS environment,
    {{output: (hash(i) % 1000) / 1000.0}} AS outputs,
    0::INTEGER AS kafka_partition, i AS kafka_offset"""
"""Ids are random to look at, and anybody can say them: nothing can be pruned by their order."""


def write_history(root: Path, rows: int, days: int, *, a_file: int = 1_000_000) -> None:
    """Predictions with what the evaluator reads of them, spread evenly over days.

    Args:
        root: the archive.
        rows: predictions in all.
        days: of event time.
        a_file: rows of a file at most.
    """
    prepare(Disk(root))
    step = days * DAY // rows
    columns = _COLUMNS.format(start=START, step=step, model=MODEL, environment=ENVIRONMENT)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET TimeZone = 'UTC'")
        ends = [-(-rows * (day + 1) // days) for day in range(days)]
        first = 0
        for day, end in enumerate(ends):
            date = str(np.datetime64(START // DAY + day, "D"))
            folder = root / "predictions" / component("model", MODEL) / component("date", date)
            folder.mkdir(parents=True)
            while first < end:
                last = min(first + a_file, end)
                name = folder / file_name("bench", 0, first, last - 1)
                connection.execute(
                    f"COPY (SELECT {columns} FROM range({first}, {last}) AS numbers(i)) "
                    f"TO '{name}' (FORMAT parquet, COMPRESSION zstd)"
                )
                first = last


def ids(rows: np.ndarray) -> list[str]:
    """The ids of some rows."""
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT md5(i::VARCHAR)::UUID::VARCHAR FROM (SELECT unnest($1) AS i)", [rows.tolist()]
        )
        return [name for (name,) in found.fetchall()]
