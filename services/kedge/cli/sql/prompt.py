"""The prompt of `kedge sql`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, get_args

import duckdb
import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from kedge.cli.sql import Format
from kedge.cli.sql.asking import Asker
from kedge.cli.sql.completion import SqlCompleter
from kedge.errors import KedgeError

_WELCOME: Final = (
    "SQL over everything that was logged. A statement ends with `;`, Tab completes, Ctrl-C cancels,"
    "\nCtrl-D leaves. `.help` says more, `.views` what there is."
)
_MACROS: Final = """
SELECT function_name || '(' || array_to_string(parameters, ', ') || ')' AS macro,
    comment AS "what it gives"
FROM duckdb_functions() WHERE NOT internal AND comment IS NOT NULL ORDER BY 1"""
_VIEWS: Final = """
SELECT view_name AS "view", comment AS "what it has" FROM duckdb_views()
WHERE NOT internal ORDER BY view_oid"""
_COLUMNS: Final = """
SELECT column_name AS "column", data_type AS "type", comment AS "what it is"
FROM duckdb_columns() WHERE table_name = '{}' ORDER BY column_index"""


class Prompt:
    """Asks for statements and answers them until somebody leaves.

    Args:
        asker: runs them.
        home: where the history is kept, for this user alone.
        chosen: format at first.
        output: file at first.
    """

    def __init__(self, asker: Asker, home: Path, chosen: Format, output: Path | None) -> None:
        self._asker, self._format, self._output = asker, chosen, output
        self._timing = False
        self._commands: dict[str, tuple[Callable[[str], None], str]] = {
            ".help": (self._help, "what can be said here"),
            ".views": (lambda _: self._show(_VIEWS), "what there is to query"),
            ".macros": (lambda _: self._show(_MACROS), "functions of Kedge's own"),
            ".describe": (self._describe, "VIEW: its columns, and what they are"),
            ".format": (self._set_format, "table, csv, json or parquet"),
            ".output": (self._set_output, "FILE for the next answers; without one, the screen"),
            ".timing": (self._set_timing, "on or off: how long each query takes"),
            ".quit": (_leave, "leave; so does Ctrl-D"),
        }
        history = home / "sql-history"
        history.touch(mode=0o600)
        self._session: PromptSession[str] = PromptSession(
            history=FileHistory(str(history)),
            completer=SqlCompleter(asker.connection, self._commands),
            complete_while_typing=False,
            lexer=PygmentsLexer(SqlLexer),
            multiline=True,
            key_bindings=_enter_ends_a_statement(),
            prompt_continuation=lambda width, _line, _wrapped: "…".rjust(width - 2) + "> ",
        )

    def run(self) -> None:
        """Ask until the input ends."""
        typer.echo(_WELCOME)
        while True:
            try:
                text = self._session.prompt("kedge> ").strip()
                self._answer(text)
            except KeyboardInterrupt:
                continue  # what was typed is given up, or the query that ran
            except EOFError:
                return
            except KedgeError as error:
                typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)

    def _answer(self, text: str) -> None:
        if text.startswith("."):
            name, _, rest = text.rstrip(";").partition(" ")
            if name not in self._commands:
                raise KedgeError(f"{name} is nothing here: {', '.join(self._commands)}")
            self._commands[name][0](rest.strip())
            return
        for statement in self._asker.statements(text):
            self._ask(statement)

    def _ask(self, statement: str) -> None:
        began = time.monotonic()
        try:
            self._asker.ask(statement, self._format, self._output)
        except KeyboardInterrupt:
            typer.secho("cancelled", err=True)
            raise
        if self._output is not None:
            typer.echo(f"written to {self._output}")
        if self._timing:
            typer.echo(f"{time.monotonic() - began:.3f} s")

    def _show(self, query: str) -> None:
        self._asker.ask(query, "table", None)

    def _help(self, _rest: str) -> None:
        typer.echo(_WELCOME)
        for name, (_run, what) in self._commands.items():
            typer.echo(f"  {name:10} {what}")

    def _describe(self, view: str) -> None:
        if not view.isidentifier():
            raise KedgeError("say which view: .describe predictions")
        self._show(_COLUMNS.format(view))

    def _set_format(self, said: str) -> None:
        if said not in get_args(Format):
            raise KedgeError(f"a format is {', '.join(get_args(Format))}; now it is {self._format}")
        if said == "parquet" and self._output is None:
            raise KedgeError("Parquet is nothing for a terminal: say .output FILE first")
        self._format = said  # type: ignore[assignment] # it is one of them

    def _set_output(self, said: str) -> None:
        from kedge.cli.sql.formats import chosen_format

        if not said:
            self._output = None
            self._format = "table" if self._format == "parquet" else self._format
            return
        try:
            self._format = chosen_format(None, Path(said))
        except typer.BadParameter as error:
            raise KedgeError(str(error)) from error
        self._output = Path(said)

    def _set_timing(self, said: str) -> None:
        if said not in {"", "on", "off"}:
            raise KedgeError(".timing is on or off")
        self._timing = said == "on" if said else not self._timing
        typer.echo(f"timing is {'on' if self._timing else 'off'}")


def _leave(_: str) -> None:
    raise EOFError


def _enter_ends_a_statement() -> KeyBindings:
    """Enter takes what is whole; inside a statement it begins a line."""
    keys = KeyBindings()

    @keys.add("enter", filter=Condition(lambda: is_whole(get_app().current_buffer.text)))
    def take(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys


def is_whole(text: str) -> bool:
    """Whether there is nothing more to come: a command, nothing at all, or a `;` at the end.

    A `;` in a text or in a remark ends nothing.

    >>> is_whole(".views"), is_whole("SELECT 1;"), is_whole("SELECT ';")
    (True, True, False)
    """
    if not text.strip() or text.startswith("."):
        return True
    tokens = [at for at, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    return bool(tokens) and text[tokens[-1]] == ";"
