"""Rows as a table on the screen, and as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kedge.archive.json_values import plain, rows_of, text
from kedge.cli.sql import Format

MOST_ROWS = 100
"""Rows that a table shows; beyond, nobody reads one."""


def chosen_format(said: Format | None, output: Path | None) -> Format:
    """The format that was asked for, in words or by the name of a file.

    Raises:
        typer.BadParameter: it is none, or none for a terminal.
    """
    known = [each for each in get_args(Format) if each != "table"]
    if output is not None and said in {None, "table"}:
        found = output.suffix.removeprefix(".").lower()
        if said == "table" or found not in known:
            raise typer.BadParameter(
                f"a file is {', '.join(known[:-1])} or {known[-1]}: say it by --format or by how "
                f"its name ends, not {output.name!r}",
                param_hint="--output",
            )
        return found  # type: ignore[return-value] # it is one of them
    if said == "parquet" and output is None and sys.stdout.isatty():
        raise typer.BadParameter(
            "Parquet is nothing for a terminal: give --output FILE", param_hint="--format"
        )
    return said or "table"


def write(reader: pa.RecordBatchReader, chosen: Format, path: Path | None) -> None:
    """Write all rows as they come, to a file or to standard output."""
    if chosen == "parquet":
        _write_parquet(reader, path)
        return
    with _opened(path) as file:
        (_write_csv if chosen == "csv" else _write_json)(reader, file)
        file.flush()


@contextmanager
def _opened(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
    else:
        with path.open("x", encoding="utf-8", newline="") as file:
            yield file


def _write_parquet(reader: pa.RecordBatchReader, path: Path | None) -> None:
    where = sys.stdout.buffer if path is None else path
    with pq.ParquetWriter(where, reader.schema, compression="zstd") as writer:
        for batch in reader:
            writer.write_batch(batch)


def _write_csv(reader: pa.RecordBatchReader, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(reader.schema.names)
    for batch in reader:
        writer.writerows(tuple(map(text, row)) for row in rows_of(batch))


def _write_json(reader: pa.RecordBatchReader, file: TextIO) -> None:
    names = reader.schema.names
    separator = "["
    for batch in reader:
        for row in rows_of(batch):
            record = {name: plain(value) for name, value in zip(names, row, strict=True)}
            file.write(f"{separator}\n  {json.dumps(record, ensure_ascii=False)}")
            separator = ","
    file.write("[]\n" if separator == "[" else "\n]\n")


def print_table(table: pa.Table) -> None:
    """Show the first rows; a table with one row more than that has more."""
    # Cut to the width of a screen only where there is one.
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    shown = Table()
    for name, type_ in zip(table.column_names, table.schema.types, strict=True):
        number = any(word in str(type_) for word in ("int", "float", "double", "decimal"))
        shown.add_column(
            Text(name), justify="right" if number and "<" not in str(type_) else "left"
        )
    for row in rows_of(table.slice(0, MOST_ROWS)):
        shown.add_row(*(Text(text(value)) for value in row))
    console.print(shown)
    if table.num_rows > MOST_ROWS:
        console.print(
            f"The first {MOST_ROWS} rows; there are more. `--format csv` and `--format json` give "
            "them all."
        )
