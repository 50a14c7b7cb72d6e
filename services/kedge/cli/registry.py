"""`kedge registry`: the database behind models, releases and aliases."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="""The registry's database: SQLite under `KEDGE_HOME`, or what `KEDGE_REGISTRY__URL`
        names, for example `postgresql://kedge@db.example.com/kedge`.
        """,
    )
    group.command()(upgrade)
    group.command()(collect)
    app.add_typer(group, name="registry")


def upgrade(
    *, as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False
) -> None:
    """Make the tables, or bring those of an older Kedge up to date.

    Stop what uses the registry and make a backup first. On SQLite every command does this by
    itself; other databases wait for you to say so. Running it again changes nothing.

    Example: `kedge registry upgrade`
    """
    from kedge.registry.database import Database
    from kedge.settings import Settings

    with closing(Database(Settings().registry_url)) as database:
        changed = database.upgrade()
    if as_json:
        typer.echo(json.dumps({"upgraded": changed}))
    else:
        typer.echo("upgraded" if changed else "up to date: nothing was changed")


def collect(
    *,
    older_than: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="HOURS",
            help="Leave what was registered since: it may belong to a registration under way.",
        ),
    ] = 24.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Delete the artifacts and bundles that no model version and no code version has any more.

    Example: `kedge registry collect --dry-run`
    """
    from kedge.cli.registered import opened

    with opened() as registry:
        gone = registry.collect(older_than=older_than * 3600, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps({"deleted": gone, "dry_run": dry_run}))
    else:
        typer.echo("\n".join([*gone, f"{len(gone)} {'would go' if dry_run else 'deleted'}"]))
