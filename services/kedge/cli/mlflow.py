"""`kedge mlflow`: model versions from a team's MLflow registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kedge.cli.registered import Actor, AllowPickle, AsJson, add_group, opened, printed, who

_TEXT = """A team's MLflow registry beside Kedge's.

Model versions come from there: `kedge mlflow adopt`. Moves of aliases go there: `kedge run mlflow`
tells MLflow of each move that Kedge made, in order. `KEDGE_MLFLOW__URI` names the server.
"""


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    add_group(app, "mlflow", _TEXT, mlflow_adopt)


def mlflow_adopt(
    name: Annotated[str, typer.Argument(help="Name of the registered model in MLflow.")],
    version: Annotated[str, typer.Argument(help="Its version there: `3`, or `@champion`.")],
    reference: Annotated[
        Path,
        typer.Option(help="Training or validation data, as for `kedge model register`."),
    ],
    *,
    model: Annotated[
        str | None, typer.Option(help="Name of the model in Kedge; as in MLflow by default.")
    ] = None,
    output: Annotated[
        list[str] | None, typer.Option(help="Column with what the model predicts.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Column that is neither an input nor an output.")
    ] = None,
    allow_pickle: AllowPickle = False,
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Register a model version that MLflow has, with its artifact, and tag it there.

    Example: `kedge mlflow adopt flights @champion --reference train.parquet --output late`
    """
    from kedge.registry.mlflow import adopt, connected
    from kedge.registry.tabular import read_reference
    from kedge.settings import Settings

    profile = read_reference(reference, outputs=output or (), ignored=ignore or (), nulls=())
    client = connected(Settings())
    with opened() as registry:
        found = adopt(
            registry,
            client,
            name,
            version,
            profile,
            actor=who(actor),
            model=model,
            allow_pickle=allow_pickle,
        )
    row = {
        "model": found.model,
        "id": found.id,
        "artifact": found.artifact,
        "rows": found.reference.rows,
        "created_at": found.created_at,
        "actor": found.actor,
    }
    printed(row, tuple(row), as_json=as_json)
