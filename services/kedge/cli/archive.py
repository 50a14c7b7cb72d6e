"""`kedge sql`: the archive at an analyst's fingertips."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["table", "csv", "json"]

_MOST_ROWS = 100
"""Rows that a table shows; beyond, nobody reads one."""

_EXAMPLES = """
For example:
    kedge sql "SELECT release, avg((features.dep_delay IS NULL)::INT) AS missing
               FROM predictions GROUP BY release"

The columns of a view, and what they say:
    kedge sql "SELECT column_name, data_type, comment FROM duckdb_columns()
               WHERE table_name = 'predictions'"
"""


def add_to(app: typer.Typer) -> None:
    """Register `kedge sql`."""
    app.command("sql")(sql)


def sql(
    query: Annotated[
        str | None, typer.Argument(help="DuckDB SQL; from standard input if it is not given.")
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="`table` shows the first 100 rows, the others all.")
    ] = "table",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as `--format json`.")] = False,
) -> None:
    """Query everything that was predicted, known and decided, while it happens.

    Without a query: what there is to query.

    Example: `kedge sql "SELECT release, count(*) FROM predictions GROUP BY release"`
    """
    import duckdb

    from kedge.archive import connect
    from kedge.errors import KedgeError
    from kedge.settings import Settings

    chosen: Format = "json" if as_json else format_
    if query is None and not sys.stdin.isatty():
        query = sys.stdin.read()
    overview = query is None or not query.strip()
    with connect(Settings().archive_url) as connection:
        try:
            # By Arrow: DuckDB's own rows would need one more package for the zone of times.
            result = connection.sql(_OVERVIEW if overview or query is None else query)
            table = None if result is None else result.to_arrow_table()
        except duckdb.Error as error:
            raise KedgeError(str(error).rstrip()) from error
    if table is None:
        return
    _print(table, chosen)
    if overview and chosen == "table":
        typer.echo(_EXAMPLES)


_OVERVIEW = """
SELECT view_name AS "view", comment AS "what it has" FROM duckdb_views()
WHERE NOT internal ORDER BY view_oid"""


def _print(table: pa.Table, chosen: Format) -> None:
    if chosen == "csv":
        _print_csv(table)
    elif chosen == "json":
        _print_json(table)
    else:
        _print_table(table)


def _print_csv(table: pa.Table) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches():
        writer.writerows(
            tuple(_text(value) for value in row)
            for row in zip(*map(_values, batch.columns), strict=True)
        )


def _print_json(table: pa.Table) -> None:
    import json

    names = table.column_names
    separator = "["
    for batch in table.to_batches():
        for row in zip(*map(_values, batch.columns), strict=True):
            record = {name: _plain(value) for name, value in zip(names, row, strict=True)}
            sys.stdout.write(f"{separator}\n  {json.dumps(record, ensure_ascii=False)}")
            separator = ","
    sys.stdout.write("[]\n" if separator == "[" else "\n]\n")


def _print_table(table: pa.Table) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Cut to the width of a screen only where there is one.
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    shown = Table()
    for name, type_ in zip(table.column_names, table.schema.types, strict=True):
        number = any(word in str(type_) for word in ("int", "float", "double", "decimal"))
        shown.add_column(
            Text(name), justify="right" if number and "<" not in str(type_) else "left"
        )
    for row in zip(*map(_values, table.slice(0, _MOST_ROWS).columns), strict=True):
        shown.add_row(*(Text(_text(value)) for value in row))
    console.print(shown)
    if table.num_rows > _MOST_ROWS:
        console.print(
            f"The first {_MOST_ROWS} of {table.num_rows:,} rows. `--format csv` and "
            "`--format json` give them all."
        )


def _values(column: Any) -> list[Any]:
    """The values of an Arrow column; times that Python has no year for are text."""
    try:
        values: list[Any] = column.to_pylist(maps_as_pydicts="strict")
    except OverflowError:
        if len(column) == 1:
            return [_beyond_python(column)]
        values = [value for row in range(len(column)) for value in _values(column.slice(row, 1))]
    return values


def _beyond_python(column: Any) -> Any:
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        relation = connection.from_arrow(pa.table({"value": column}))
        wanted = str(relation.types[0]).replace("TIMESTAMP WITH TIME ZONE", "VARCHAR")
        texts = relation.project(f"value::{wanted} AS value").to_arrow_table()["value"]
        return texts[0].as_py(maps_as_pydicts="strict")


def _text(value: object) -> str:
    """A value in one cell: nothing for null, times in ISO 8601, what is nested as JSON."""
    import json

    plain = _plain(value)
    if plain is None:
        # JSON has no NaN; a cell has.
        return "" if value is None else str(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _plain(value: object) -> object:
    """A value as JSON can hold it; NaN and the infinities, which it can't, become null."""
    import datetime as dt
    import decimal
    import math

    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
