"""What may come next in a query: keywords, views, columns, macros, and names of features."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import duckdb
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

_WORD: Final = re.compile(r'(?:(\w+)\.)?("?\w*)$')
_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*")


class SqlCompleter(Completer):
    """Completes a word, or after `features.`, `outputs.` and a view's name what these have.

    It is asked once what there is: features that come later are known to the next prompt.

    Args:
        connection: to the archive.
        commands: of the prompt, which begin with a dot.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, commands: Iterable[str]) -> None:
        self._commands = sorted(commands)
        self._members: dict[str, list[str]] = {}
        views = _column(connection, "SELECT view_name FROM duckdb_views() WHERE NOT internal")
        for view in views:
            relation = connection.sql(f"FROM {view} LIMIT 0")
            self._members[view] = relation.columns
            for name, type_ in zip(relation.columns, relation.types, strict=True):
                if type_.id == "struct":
                    fields = [str(field) for field, _ in type_.children]
                    self._members[name] = sorted({*self._members.get(name, ()), *fields})
        columns = {name for view in views for name in self._members[view]}
        macros = _column(
            connection, "SELECT DISTINCT function_name FROM duckdb_functions() WHERE NOT internal"
        )
        keywords = _column(
            connection,
            "SELECT upper(keyword_name) FROM duckdb_keywords() "
            "WHERE keyword_category IN ('reserved', 'type_function')",
        )
        # What is Kedge's own comes first.
        self._words = [
            *((view, "view") for view in views),
            *((name, "macro") for name in sorted(macros)),
            *((name, "column") for name in sorted(columns - set(views))),
            *((name, "") for name in sorted(keywords)),
        ]

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        """What the text before the cursor may go on with."""
        before = document.text_before_cursor
        if before.startswith(".") and " " not in before:
            yield from _matching(before, ((name, "") for name in self._commands))
            return
        found = _WORD.search(before)
        if found is None:
            return
        owner, start = found.groups()
        if owner is not None:
            yield from _matching(start, ((name, "") for name in self._members.get(owner, ())))
        elif start or before.startswith(".describe "):
            yield from _matching(start, self._words)


def _matching(start: str, words: Iterable[tuple[str, str]]) -> Iterable[Completion]:
    for word, kind in words:
        if word.lower().startswith(start.strip('"').lower()):
            written = word if _PLAIN.fullmatch(word.lower()) or word[0] == "." else _quoted(word)
            yield Completion(written, -len(start), display=word, display_meta=kind)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _column(connection: duckdb.DuckDBPyConnection, query: str) -> list[str]:
    return [str(value) for (value,) in connection.sql(query).fetchall()]
