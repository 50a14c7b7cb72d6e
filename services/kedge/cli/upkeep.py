"""`kedge archive`: which files it has, fewer of them, and days dropped."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from kedge.cli.registered import add_group
from kedge.cli.screen import print_table
from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.archive import Store

_ARCHIVE = """The archive's files: list them, merge small ones, drop old days.

`kedge run compactor` does the same all the time. See also `kedge sql`.
"""
_Dataset = Annotated[
    str | None,
    typer.Option(
        help="predictions, outcomes, statistics, alerts or releases.", show_default="all of them"
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    add_group(app, "archive", _ARCHIVE, archive_files, archive_compact, archive_retain)


def archive_files(
    dataset: Annotated[
        str, typer.Argument(help="predictions, outcomes, statistics, alerts or releases.")
    ],
    *,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
) -> None:
    """Print the files that have the rows of a dataset, each row in one of them.

    For readers that know nothing of Kedge. The files stay for KEDGE_ARCHIVE__GRACE seconds, also if
    they are compacted meanwhile. Example: `kedge archive files predictions --model flights`
    """
    from kedge.archive import Catalog

    store = _opened()
    (dataset,) = _datasets(dataset)
    for name in Catalog(store).files(dataset, model=model):
        typer.echo(f"{store.url}/{name}")


def archive_compact(*, dataset: _Dataset = None) -> None:
    """Merge all files that are smaller than KEDGE_ARCHIVE__FILE_BYTES, now.

    The old files are removed after KEDGE_ARCHIVE__GRACE seconds, by the compactor or by this
    command when it is run again. Example: `kedge archive compact --dataset predictions`
    """
    import time

    from kedge.archive.clearing import clear
    from kedge.archive.compaction import Sizes, compact
    from kedge.archive.snapshots import models_of
    from kedge.settings import Settings

    store, settings = _opened(), Settings().archive
    sizes = Sizes(settings.file_bytes, everything=True)
    rows = []
    for folder in (f for name in _datasets(dataset) for f in models_of(store, name)):
        replaced = compact(store, folder, sizes, time.time())
        removed = clear(store, folder, settings.grace, time.time())
        rows.append((folder, replaced, removed))
    print_table(("folder", "replaced", "removed"), rows)


def archive_retain(
    *,
    before: Annotated[
        str, typer.Option(metavar="DATE", help="The first day that is kept: 2026-01-31.")
    ],
    dataset: _Dataset = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be dropped.")
    ] = False,
) -> None:
    """Drop all days before a date, of event time in UTC. It can't be taken back.

    No query sees them from then on, nor what still arrives for them; their files are removed after
    KEDGE_ARCHIVE__GRACE seconds. Example: `kedge archive retain --before 2026-01-31 --dry-run`
    """
    import time

    from kedge.archive.clearing import doomed, drop
    from kedge.archive.snapshots import models_of

    try:
        date = dt.date.fromisoformat(before).isoformat()
    except ValueError as error:
        raise KedgeError(f"--before is {before!r}: it takes a date, such as 2026-01-31") from error
    store = _opened()
    rows = []
    for folder in (f for name in _datasets(dataset) for f in models_of(store, name)):
        files = doomed(store, folder, date)
        dropped = len(files) if dry_run else drop(store, folder, date, time.time())
        rows.append((folder, dropped, sum(files.values())))
    print_table(("folder", "files", "bytes"), rows)
    if dry_run:
        typer.echo("Nothing was dropped: this was a dry run.")


def _opened() -> Store:
    from kedge.archive import open_archive, prepare
    from kedge.settings import Settings

    store = open_archive(Settings().archive_url)
    prepare(store)
    return store


def _datasets(wanted: str | None) -> list[str]:
    from kedge.archive import SCHEMAS

    if wanted is None:
        return list(SCHEMAS)
    if wanted not in SCHEMAS:
        raise KedgeError(f"there is no dataset `{wanted}`; there are: {', '.join(SCHEMAS)}")
    return [wanted]
