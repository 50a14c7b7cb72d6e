"""`kedge rehearse`: what the alerting service does before it moves an alias, by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from kedge.cli.registered import AsJson, Model, opened, printed

_FAILED, _OPEN = 1, 3


def add_to(app: typer.Typer) -> None:
    app.command("rehearse")(rehearse)


def rehearse(
    model: Model,
    release: Annotated[int, typer.Argument(help="Number of the release to try.")],
    *,
    inputs_of: Annotated[
        int | None,
        typer.Option(
            help="Number of the release whose logged inputs are taken.",
            show_default="the one that `production` points at",
        ),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="Where these were logged.", show_default="KEDGE_ENVIRONMENT"),
    ] = None,
    rows: Annotated[int | None, typer.Option(help="How many, the newest.", min=1)] = None,
    seconds: Annotated[float | None, typer.Option(help="Time that it may take.")] = None,
    mib: Annotated[int | None, typer.Option(help="Address space that it may have.")] = None,
    as_json: AsJson = False,
) -> None:
    """Replay what one release was asked lately through another, and judge the answers.

    It runs in a process of its own, and nothing is moved or logged. The exit code is 0 where it
    would do, 1 where it failed, and 3 where the rehearsal can't say.

    Example: `kedge rehearse flights 2 --inputs-of 3`
    """
    from pydantic import ValidationError

    from kedge.broker import connection
    from kedge.contracts import Topics
    from kedge.errors import KedgeError
    from kedge.policy import Rollback
    from kedge.rehearsal.rehearser import Rehearser
    from kedge.rehearsal.tail import Logger
    from kedge.settings import Settings

    settings = Settings()
    given: dict[str, Any] = {
        "rehearse_rows": rows,
        "rehearse_seconds": seconds,
        "rehearse_mib": mib,
    }
    try:
        limits = Rollback(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        (first, *_) = error.errors()
        option = str(first["loc"][0]).replace("rehearse_", "--")
        raise KedgeError(f"{option}: {first['msg']}") from error
    with opened() as registry:
        if inputs_of is None:
            inputs_of = registry.live(model, "production").number
        registry.release(model, inputs_of)
        registry.release(model, release)
        logger = Logger(model, inputs_of, environment or settings.environment)
        rehearser = Rehearser(registry, connection(settings), Topics(settings.topic_prefix))
        verdict = rehearser.rehearse(logger, release, limits)
    row = {"model": model, "inputs_of": inputs_of, **asdict(verdict)}
    printed(row, ("model", "release", "inputs_of", "ok", "rows", "because"), as_json=as_json)
    if not verdict.ok:
        raise typer.Exit(_OPEN if verdict.ok is None else _FAILED)
