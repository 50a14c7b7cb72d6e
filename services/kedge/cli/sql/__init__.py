"""`kedge sql`: the archive at an analyst's fingertips."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

Format = Literal["table", "csv", "json", "parquet"]

_EXAMPLES = """
For example:
    kedge sql "SELECT release, missing_rate(features.dep_delay) AS missing
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
        str | None,
        typer.Argument(help="DuckDB SQL, one statement; from standard input if it is not given."),
    ] = None,
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="`table` shows the first 100 rows, the others have all. By default what the "
            "output's name ends with says it, else `table`.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the rows to this file.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Give the query up after so many seconds.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as `--format json`.")] = False,
    files: Annotated[
        bool,
        typer.Option(
            "--files", help="Let it read and write other files too, make tables and settings."
        ),
    ] = False,
) -> None:
    """Query everything that was predicted, known and decided, while it happens.

    Without a query: a prompt, with completion and history. What would change anything is refused,
    unless `--files` is given.

    Exit codes: 1 where the archive or DuckDB says no, 3 where the query is refused, 124 after
    `--timeout`, 130 after Ctrl-C.

    Example: `kedge sql "SELECT release, count(*) FROM predictions GROUP BY release"`
    """
    from kedge.archive import connect
    from kedge.cli.sql.asking import Asker
    from kedge.cli.sql.formats import chosen_format
    from kedge.settings import Settings

    chosen = chosen_format("json" if as_json else format_, output)
    prompted = query is None and sys.stdin.isatty()
    if query is None and not prompted:
        query = sys.stdin.read()
    settings = Settings()
    with connect(settings.archive_url, confined=not files) as connection:
        asker = Asker(connection, confined=not files, seconds=timeout)
        if prompted:
            from kedge.cli.sql.prompt import Prompt

            Prompt(asker, settings.home, chosen, output).run()
            return
        overview = not (query or "").strip()
        try:
            asker.ask(_OVERVIEW if overview else str(query), chosen, output)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
    if overview and chosen == "table":
        typer.echo(_EXAMPLES)


_OVERVIEW = """
SELECT view_name AS "view", comment AS "what it has" FROM duckdb_views()
WHERE NOT internal ORDER BY view_oid"""
