"""What the verbs of the registry share: options, the registry, and how things are printed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kedge.registry import Registry

Row = dict[str, Any]

Model = Annotated[str, typer.Argument(help="Name of the model.")]
Alias = Annotated[str, typer.Argument(help="Name of the alias, for example `production`.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON; times in microseconds since 1970.")]
Actor = Annotated[
    str, typer.Option(envvar="KEDGE_ACTOR", help="Who does it.", show_default="your user name")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept.", show_default=False)]
AllowPickle = Annotated[
    bool,
    typer.Option(
        "--allow-pickle",
        help="Take an artifact that may run code when it is loaded; it is kept who allowed it.",
    ),
]
WhyDeleted = Annotated[str, typer.Option("--reason", help="Why; it is kept.", show_default=False)]

DELETION_COLUMNS = ("model", "kind", "subject", "deleted_at", "actor", "reason")
_TIMES = (
    "answered_at",
    "at",
    "created_at",
    "deleted_at",
    "expires_at",
    "moved_at",
    "proposed_at",
    "refused_at",
    "revoked_at",
    "used_at",
)
_IDS = ("id", "artifact", "commit", "bundle", "model_version", "code_version", "subject")


def add_group(app: typer.Typer, name: str, text: str, *verbs: Callable[..., None]) -> None:
    """Add the verbs of one group: functions named `<group>_<verb>`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=text)
    for verb in verbs:
        group.command(verb.__name__.removeprefix(f"{name}_").replace("_", "-"))(verb)
    app.add_typer(group, name=name)


@contextmanager
def opened() -> Iterator[Registry]:
    """The registry of the settings."""
    from kedge.registry import Registry
    from kedge.settings import Settings

    with Registry.open(Settings()) as registry:
        yield registry


def who(actor: str) -> str:
    """The actor given, else the user of this process."""
    from kedge.registry.actor import current_actor

    return actor or current_actor()


def printed(what: Row | Sequence[Row], columns: Sequence[str], *, as_json: bool) -> None:
    """Print one row or a list of rows.

    Args:
        what: one row is printed a field a line, several as a table.
        columns: which fields people see, in order; JSON has them all.
        as_json: whether a program reads it.
    """
    if as_json:
        typer.echo(json.dumps(what, indent=2))
    elif isinstance(what, dict):
        width = max(map(len, columns))
        for name in columns:
            typer.echo(f"{name:<{width}}  {_cell(name, what[name], full=True)}".rstrip())
    else:
        cells = [list(columns), *([_cell(name, row[name]) for name in columns] for row in what)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for line in cells:
            padded = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
            typer.echo("  ".join(padded).rstrip())


def _cell(name: str, value: Any, *, full: bool = False) -> str:
    from kedge.registry.errors import short, utc

    if value is None:
        return "-"
    if name in _TIMES:
        return utc(value)
    if isinstance(value, list):
        return ", ".join(value) or "-"
    return short(value) if name in _IDS and isinstance(value, str) and not full else str(value)
