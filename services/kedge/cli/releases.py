"""`kedge release` and `kedge alias`: what serves, from the shell."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kedge.cli.registered import (
    DELETION_COLUMNS,
    Actor,
    Alias,
    AsJson,
    Model,
    Reason,
    WhyDeleted,
    add_group,
    opened,
    printed,
    who,
)

_RELEASE = """Releases: numbered pairs of a model version and a code version. What serves traffic.

Every prediction says which release made it.
"""

_ALIAS = """Aliases: names like `production` that point at a release. Moving one is a deployment.

A move succeeds only if nobody else moved the alias in between, and every move stays in the history.
"""

_RELEASE_COLUMNS = (
    "model",
    "number",
    "model_version",
    "code_version",
    "created_at",
    "actor",
    "reason",
)
_SHORT = 12
_MOVE_COLUMNS = (
    "model",
    "alias",
    "generation",
    "from_release",
    "to_release",
    "moved_at",
    "actor",
    "reason",
    "incident",
    "share",
)
_REFUSAL_COLUMNS = (
    "model",
    "alias",
    "incident",
    "generation",
    "to_release",
    "refused_at",
    "actor",
    "reason",
)


def add_to(app: typer.Typer) -> None:
    """Add the groups to the command line."""
    add_group(
        app,
        "release",
        _RELEASE,
        release_create,
        release_list,
        release_show,
        release_diff,
        release_delete,
    )
    add_group(
        app,
        "alias",
        _ALIAS,
        alias_move,
        alias_back,
        alias_show,
        alias_list,
        alias_history,
        alias_refusals,
    )


def release_create(
    model: Model,
    model_version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    code_version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    *,
    reason: Reason = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Pair a model version and a code version under the next number.

    It serves nothing until an alias is moved to it.

    Example: `kedge release create flights 3f9a0c 77b0e4 --reason "fills in the wind"`
    """
    with opened() as registry:
        release = registry.create_release(
            model, model_version, code_version, actor=who(actor), reason=reason
        )
    printed(asdict(release), _RELEASE_COLUMNS, as_json=as_json)


def release_list(model: Model, *, as_json: AsJson = False) -> None:
    """List the releases of a model."""
    with opened() as registry:
        releases = registry.releases(model)
    printed([asdict(release) for release in releases], _RELEASE_COLUMNS, as_json=as_json)


def release_show(
    model: Model,
    number: Annotated[int, typer.Argument(help="Number of the release.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show a release and the aliases that point at it."""
    with opened() as registry:
        release = registry.release(model, number)
        aliases = [move.alias for move in registry.aliases(model) if move.to_release == number]
    columns = (*_RELEASE_COLUMNS, "aliases")
    printed({**asdict(release), "aliases": aliases}, columns, as_json=as_json)


def release_diff(
    model: Model,
    before: Annotated[int, typer.Argument(help="Number of the one release.")],
    after: Annotated[int, typer.Argument(help="Number of the other.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Show what changed from one release to another: artifact, signature, reference or code.

    Nothing is shown for two that pair the same model version and code version.

    Example: `kedge release diff flights 2 3`
    """
    with opened() as registry:
        found = registry.compare(model, before, after)
    rows = [asdict(difference) for difference in found]
    if not as_json:
        # Of addresses people need the beginning.
        for row in rows:
            if row["part"] in ("artifact", "code"):
                row.update(before=row["before"][:_SHORT], after=row["after"][:_SHORT])
    printed(rows, ("part", "what", "before", "after"), as_json=as_json)


def release_delete(
    model: Model,
    number: Annotated[int, typer.Argument(help="Number of the release.")],
    *,
    reason: WhyDeleted,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Delete a release that no alias has ever pointed at; it is kept who did it and why.

    Its number is not given again, and what was logged as of it stays.
    """
    with opened() as registry:
        gone = registry.delete_release(model, number, actor=who(actor), reason=reason)
    printed(asdict(gone), DELETION_COLUMNS, as_json=as_json)


def alias_move(
    model: Model,
    alias: Alias,
    release: Annotated[int, typer.Argument(help="Number of the release that it shall point at.")],
    *,
    expect: Annotated[
        int | None,
        typer.Option(
            metavar="GENERATION",
            min=0,
            help="Move only if the alias is at this generation; 0 means that it does not exist "
            "yet. By default the one it is at now.",
            show_default=False,
        ),
    ] = None,
    reason: Reason = "",
    incident: Annotated[
        str | None,
        typer.Option(help="Name of the incident that this answers; it is decided once."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the traffic that the release gets where the alias is served as a "
            "canary. By default the alias keeps the one it has.",
            show_default=False,
        ),
    ] = None,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Point an alias at a release, making the alias if it is new. In Python: `kedge.promote`.

    A script that decided on what it saw passes the generation that it saw with `--expect`: if
    somebody moved the alias since, nothing happens and the exit code is 1.

    Example: `kedge alias move flights production 3 --reason "canary was fine for a day"`
    """
    with opened() as registry:
        if expect is None:
            current = registry.alias(model, alias)
            expect = current.generation if current else 0
            where = f"on release {current.to_release}" if current else "not there yet"
            typer.echo(f"`{alias}` is at generation {expect}, {where}", err=True)
        move = registry.move_alias(
            model,
            alias,
            release,
            expected_generation=expect,
            actor=who(actor),
            reason=reason,
            incident=incident,
            share=share,
        )
    printed(asdict(move), _MOVE_COLUMNS, as_json=as_json)


def alias_back(
    model: Model,
    alias: Alias,
    *,
    reason: Reason = "",
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Point an alias at the release that it was on before. In Python: `kedge.roll_back`.

    What it was moved back from does not count, so twice leads two releases back.

    Example: `kedge alias back flights production --reason "loses the wind"`
    """
    with opened() as registry:
        move = registry.move_back(model, alias, actor=who(actor), reason=reason)
    printed(asdict(move), _MOVE_COLUMNS, as_json=as_json)


def alias_show(model: Model, alias: Alias, *, as_json: AsJson = False) -> None:
    """Show where an alias points, and the release there."""
    with opened() as registry:
        release = registry.live(model, alias)
        move = registry.history(model, alias)[-1]
    printed(
        {**asdict(move), "release": asdict(release)},
        _MOVE_COLUMNS,
        as_json=as_json,
    )


def alias_list(model: Model, *, as_json: AsJson = False) -> None:
    """List the aliases of a model and where they point."""
    with opened() as registry:
        moves = registry.aliases(model)
    printed([asdict(move) for move in moves], _MOVE_COLUMNS, as_json=as_json)


def alias_history(model: Model, alias: Alias, *, as_json: AsJson = False) -> None:
    """List every move of an alias, the oldest first: who, when, why, from where, to where."""
    with opened() as registry:
        registry.live(model, alias)
        moves = registry.history(model, alias)
    printed([asdict(move) for move in moves], _MOVE_COLUMNS, as_json=as_json)


def alias_refusals(model: Model, alias: Alias, *, as_json: AsJson = False) -> None:
    """List the incidents that were not to move an alias, the oldest first: who, when, why.

    A generation is that of the move, made for another incident, that answers this one too.
    """
    with opened() as registry:
        refusals = registry.refusals(model, alias)
    printed([asdict(refusal) for refusal in refusals], _REFUSAL_COLUMNS, as_json=as_json)
