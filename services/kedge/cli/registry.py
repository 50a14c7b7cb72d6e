"""`kedge model`, `kedge code`, `kedge release` and `kedge alias`: the registry from the shell."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.registry import ModelVersion, Registry

_Row = dict[str, Any]

_Model = Annotated[str, typer.Argument(help="Name of the model.")]
_Alias = Annotated[str, typer.Argument(help="Name of the alias, for example `production`.")]
_AsJson = Annotated[bool, typer.Option("--json", help="As JSON; times in microseconds since 1970.")]
_Actor = Annotated[
    str, typer.Option(envvar="KEDGE_ACTOR", help="Who does it.", show_default="your user name")
]
_Reason = Annotated[str, typer.Option(help="Why; it is kept.", show_default=False)]

_TIMES = ("created_at", "moved_at")
_IDS = ("id", "artifact", "commit", "bundle", "model_version", "code_version")

_MODEL = """Model versions: an artifact, its signature, and the reference that it is compared with.

A model version never changes: its id is the digest of all three, so registering the same again
gives the same version and stores nothing twice.
"""

_CODE = """Code versions: the inference code, kept apart from the model.

Fixing the code makes a new code version and leaves the model version as it is.
"""

_LISTED = ("model", "id", "artifact", "rows", "columns", "created_at", "actor")
_CODE_COLUMNS = ("model", "id", "commit", "bundle", "created_at", "actor")

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
)


def add_to(app: typer.Typer) -> None:
    """Add the groups to the command line."""
    _add_group(app, "model", _MODEL, model_register, model_list, model_show)
    _add_group(app, "code", _CODE, code_register, code_list)
    _add_group(app, "release", _RELEASE, release_create, release_list, release_show)
    _add_group(app, "alias", _ALIAS, alias_move, alias_show, alias_list, alias_history)


def model_register(
    model: _Model,
    artifact: Annotated[Path, typer.Argument(help="The trained model: a file or a folder.")],
    reference: Annotated[
        Path,
        typer.Option(
            help="Training or validation data, .parquet or .csv, a row an example: the signature "
            "and the bins come from it."
        ),
    ],
    *,
    output: Annotated[
        list[str] | None,
        typer.Option(
            "--output",
            "--outputs",
            help="Column with what the model predicts; may be given several times.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Column that is neither an input nor an output of the model, such as an id or "
            "the truth; may be given several times."
        ),
    ] = None,
    null: Annotated[
        list[str] | None,
        typer.Option(
            help="In CSV, a text that stands for a missing value, besides the empty cell; "
            "may be given several times."
        ),
    ] = None,
    actor: _Actor = "",
    as_json: _AsJson = False,
) -> None:
    """Register a version of a model.

    Every column that is neither an output nor ignored is a feature.

    Example: `kedge model register flights model.json --reference train.parquet --output late
    --ignore flight_id`
    """
    from kedge.registry.tabular import read_reference

    profile = read_reference(
        reference, outputs=output or (), ignored=ignore or (), nulls=null or ()
    )
    with _opened() as registry:
        version = registry.register_model(model, artifact, profile, actor=_who(actor))
    _print_version(version, as_json=as_json)


def model_list(
    model: Annotated[str | None, typer.Argument(help="Versions of this model only.")] = None,
    *,
    as_json: _AsJson = False,
) -> None:
    """List the models, or the versions of one."""
    with _opened() as registry:
        names = registry.models() if model is None else [model]
        versions = [version for name in names for version in registry.model_versions(name)]
    _printed([_row(version) for version in versions], _LISTED, as_json=as_json)


def model_show(
    model: _Model,
    version: Annotated[
        str | None, typer.Argument(help="Its id, or the first digits; the newest by default.")
    ] = None,
    *,
    as_json: _AsJson = False,
) -> None:
    """Show a version of a model with its signature and reference."""
    with _opened() as registry:
        if version is None:
            versions = registry.model_versions(model)
            if not versions:
                raise KedgeError(f"`{model}` has no model version yet: `kedge model register`")
            found = versions[-1]
        else:
            found = registry.model_version(model, version)
    _print_version(found, as_json=as_json)


def code_register(
    model: _Model,
    bundle: Annotated[
        Path | None,
        typer.Argument(help="A Python file, or a folder with `inference.py`."),
    ] = None,
    *,
    commit: Annotated[
        str | None, typer.Option(help="The git commit, in full: `git rev-parse HEAD`.")
    ] = None,
    actor: _Actor = "",
    as_json: _AsJson = False,
) -> None:
    """Register a version of the inference code: a bundle, a git commit, or both.

    With a bundle, `kedge serve` can run it: it defines `load(artifact)`, `prepare(instance)` and
    `predict(model, rows)`. The id is the commit if there is one, else the digest of the bundle.

    Example: `kedge code register flights inference.py --commit $(git rev-parse HEAD)`
    """
    with _opened() as registry:
        code = registry.register_code(model, bundle, commit, actor=_who(actor))
    _printed(asdict(code), _CODE_COLUMNS, as_json=as_json)


def code_list(model: _Model, *, as_json: _AsJson = False) -> None:
    """List the code versions of a model."""
    with _opened() as registry:
        versions = registry.code_versions(model)
    _printed([asdict(code) for code in versions], _CODE_COLUMNS, as_json=as_json)


def release_create(
    model: _Model,
    model_version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    code_version: Annotated[str, typer.Argument(help="Its id, or the first digits.")],
    *,
    reason: _Reason = "",
    actor: _Actor = "",
    as_json: _AsJson = False,
) -> None:
    """Pair a model version and a code version under the next number.

    It serves nothing until an alias is moved to it.

    Example: `kedge release create flights 3f9a0c 77b0e4 --reason "fills in the wind"`
    """
    with _opened() as registry:
        release = registry.create_release(
            model, model_version, code_version, actor=_who(actor), reason=reason
        )
    _printed(asdict(release), _RELEASE_COLUMNS, as_json=as_json)


def release_list(model: _Model, *, as_json: _AsJson = False) -> None:
    """List the releases of a model."""
    with _opened() as registry:
        releases = registry.releases(model)
    _printed([asdict(release) for release in releases], _RELEASE_COLUMNS, as_json=as_json)


def release_show(
    model: _Model,
    number: Annotated[int, typer.Argument(help="Number of the release.")],
    *,
    as_json: _AsJson = False,
) -> None:
    """Show a release and the aliases that point at it."""
    with _opened() as registry:
        release = registry.release(model, number)
        aliases = [move.alias for move in registry.aliases(model) if move.to_release == number]
    columns = (*_RELEASE_COLUMNS, "aliases")
    _printed({**asdict(release), "aliases": aliases}, columns, as_json=as_json)


def alias_move(
    model: _Model,
    alias: _Alias,
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
    reason: _Reason = "",
    incident: Annotated[
        str | None,
        typer.Option(help="Name of the incident that this answers; it moves an alias once."),
    ] = None,
    actor: _Actor = "",
    as_json: _AsJson = False,
) -> None:
    """Point an alias at a release, making the alias if it is new.

    A script that decided on what it saw passes the generation that it saw with `--expect`: if
    somebody moved the alias since, nothing happens and the exit code is 1.

    Example: `kedge alias move flights production 3 --reason "canary was fine for a day"`
    """
    with _opened() as registry:
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
            actor=_who(actor),
            reason=reason,
            incident=incident,
        )
    _printed(asdict(move), _MOVE_COLUMNS, as_json=as_json)


def alias_show(model: _Model, alias: _Alias, *, as_json: _AsJson = False) -> None:
    """Show where an alias points, and the release there."""
    with _opened() as registry:
        release = registry.live(model, alias)
        move = registry.history(model, alias)[-1]
    _printed(
        {**asdict(move), "release": asdict(release)},
        _MOVE_COLUMNS,
        as_json=as_json,
    )


def alias_list(model: _Model, *, as_json: _AsJson = False) -> None:
    """List the aliases of a model and where they point."""
    with _opened() as registry:
        moves = registry.aliases(model)
    _printed([asdict(move) for move in moves], _MOVE_COLUMNS, as_json=as_json)


def alias_history(model: _Model, alias: _Alias, *, as_json: _AsJson = False) -> None:
    """List every move of an alias, the oldest first: who, when, why, from where, to where."""
    with _opened() as registry:
        registry.live(model, alias)
        moves = registry.history(model, alias)
    _printed([asdict(move) for move in moves], _MOVE_COLUMNS, as_json=as_json)


def _add_group(app: typer.Typer, name: str, text: str, *verbs: Callable[..., None]) -> None:
    """Add the verbs of one group: functions named `<group>_<verb>`."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=text)
    for verb in verbs:
        group.command(verb.__name__.removeprefix(f"{name}_"))(verb)
    app.add_typer(group, name=name)


@contextmanager
def _opened() -> Iterator[Registry]:
    """The registry of the settings."""
    from kedge.registry import Registry
    from kedge.settings import Settings

    with Registry.open(Settings()) as registry:
        yield registry


def _who(actor: str) -> str:
    """The actor given, else the user of this process."""
    if actor:
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise KedgeError("this user has no name here: say who does it with --actor") from error


def _printed(what: _Row | Sequence[_Row], columns: Sequence[str], *, as_json: bool) -> None:
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
    return short(value) if name in _IDS and not full else str(value)


def _row(version: ModelVersion) -> dict[str, Any]:
    reference = version.reference
    return {
        "model": version.model,
        "id": version.id,
        "artifact": version.artifact,
        "rows": reference.rows,
        "columns": len(reference.columns),
        "created_at": version.created_at,
        "actor": version.actor,
    }


def _print_version(version: ModelVersion, *, as_json: bool) -> None:
    row = _row(version)
    if as_json:
        _printed({**row, "reference": version.reference.to_record()}, (), as_json=True)
        return
    _printed(row, _LISTED, as_json=False)
    typer.echo()
    signature = [
        {
            "role": column.spec.role,
            "name": column.spec.name,
            "type": column.spec.type,
            "bins": len(column.bins),
            "missing": f"{int(column.missing.sum()) / max(version.reference.rows, 1):.1%}",
        }
        for column in version.reference.columns
    ]
    _printed(signature, ("role", "name", "type", "bins", "missing"), as_json=False)
