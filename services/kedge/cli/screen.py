"""What commands show people: tables, fields, times and how far something has come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer


def utc(micros: int) -> str:
    """As people read it; what no calendar has stays a number."""
    import datetime as dt

    try:
        return f"{dt.datetime.fromtimestamp(micros / 1e6, dt.UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return str(micros)


def print_table(names: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """A table; where there is a screen, its last column is cut so that it fits."""
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *cells, strict=True)]
    # All but the last is short, and of use only whole.
    others = sum(widths[:-1]) + 2 * len(names)
    screen = Console().width if sys.stdout.isatty() else others + widths[-1]
    room = max(len(names[-1]), screen - others)
    shown = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name in names:
        number = name in ("messages", "predictions", "rows", "bytes", "partition")
        shown.add_column(name, justify="right" if number else "left", no_wrap=True)
    for row in cells:
        cut = row[-1] if len(row[-1]) <= room else f"{row[-1][: room - 1]}…"
        shown.add_row(*map(Text, (*row[:-1], cut)))
    console = Console(width=others + room)
    console.print(shown)
    console.print()


def print_fields(fields: dict[str, Any]) -> None:
    """A field a line; of a list, each entry."""
    named = {_printable(name): content for name, content in fields.items()}
    width = max(map(len, named))
    for name, content in named.items():
        lines = content if isinstance(content, list) else [content]
        for line in lines or [None]:
            typer.echo(f"{name:<{width}}  {'-' if line is None else _printable(line)}")


def _printable(content: object) -> str:
    """As one line that can do nothing to a terminal: what is shown may be of anybody's making."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in str(content))


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error while the block runs; gives what to call with how many are done."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
