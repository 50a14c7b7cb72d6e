"""One query from its text to its rows on the screen or in a file, with an end to its time."""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path
from typing import Self

import duckdb
import pyarrow as pa
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from kedge.archive.ad_hoc import FailedQueryError, QueryLimitError
from kedge.archive.confinement import checked
from kedge.archive.waiting import waited_for
from kedge.cli.sql import Format
from kedge.cli.sql.formats import MOST_ROWS, print_table, write

_QUIET = 1.0
"""Seconds without a bar: most queries are answered by then."""


class Asker:
    """Asks the archive, one query after the other.

    Args:
        connection: to the archive.
        confined: refuse what does more than read.
        seconds: after which a query is given up.
    """

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, *, confined: bool, seconds: float | None
    ) -> None:
        self.connection = connection
        self._confined, self._seconds = confined, seconds

    def statements(self, text: str) -> list[str]:
        """The statements in a text.

        Raises:
            FailedQueryError: it is no SQL.
        """
        try:
            return [each.query for each in self.connection.extract_statements(text)]
        except duckdb.Error as error:
            raise FailedQueryError(str(error).rstrip()) from error

    def ask(self, sql: str, chosen: Format, output: Path | None) -> None:
        """Run a query and show or write its rows.

        Raises:
            RefusedQueryError: it does more than it may.
            FailedQueryError: DuckDB can't answer it, or its rows can't be written.
            QueryLimitError: it took too long.
            KeyboardInterrupt: somebody pressed Ctrl-C; it has ended.
        """
        try:
            self._ask(sql, chosen, output)
        except TimeoutError as error:
            raise QueryLimitError(
                f"the query took longer than {self._seconds:g} seconds: ask for a shorter range "
                "of time, or say another --timeout"
            ) from error
        except BrokenPipeError:
            # Whoever read has seen enough; nothing is to be flushed into the pipe any more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            raise FailedQueryError(str(error).rstrip()) from error

    def _ask(self, sql: str, chosen: Format, output: Path | None) -> None:
        if self._confined:
            sql = checked(self.connection, sql)
        if output is not None:
            aside = output.with_name(f".{output.name}.{uuid.uuid4().hex}")
            try:
                if self._waited_for(sql, chosen, aside) is not None:
                    aside.replace(output)
            finally:
                aside.unlink(missing_ok=True)
            return
        shown = self._waited_for(sql, chosen, None)
        if isinstance(shown, pa.Table):
            print_table(shown)

    def _waited_for(self, sql: str, chosen: Format, path: Path | None) -> pa.Table | bool | None:
        """The rows of a table, whether others were written; None where there are none."""

        def work() -> pa.Table | bool | None:
            relation: duckdb.DuckDBPyRelation | None = self.connection.sql(sql)
            if relation is None:
                return None
            if chosen == "table" and path is None:
                # The limit goes into the plan: no more is worked out than is shown.
                return relation.limit(MOST_ROWS + 1).to_arrow_table()
            with relation.to_arrow_reader(1 << 16) as reader:
                write(reader, chosen, path)
            return True

        # Rows on a terminal say themselves how far it is.
        silent = path is None and chosen != "table" and sys.stdout.isatty()
        with _Bar(self.connection, silent=silent) as bar:
            return waited_for(self.connection, work, seconds=self._seconds, meanwhile=bar.look)


class _Bar:
    """How far a query is, on a terminal's standard error, once it takes its time."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, *, silent: bool) -> None:
        self._connection = connection
        self._silent = silent or not sys.stderr.isatty()
        self._since = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def look(self) -> None:
        """Show it, if it is time to."""
        if self._silent or time.monotonic() - self._since < _QUIET:
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.percentage:3.0f} %"),
                BarColumn(),
                TimeElapsedColumn(),
                TextColumn("Ctrl-C cancels it"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=100)
            self._bar.start()
        self._bar.update(self._task, completed=max(0.0, self._connection.query_progress()))
