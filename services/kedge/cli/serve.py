"""`kedge serve`: the reference inference server."""

from __future__ import annotations

from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("serve")(serve)


def serve(
    model: Annotated[str, typer.Argument(help="Name of the model, as in the registry.")],
    alias: Annotated[str, typer.Option(help="Which alias to follow.")] = "production",
    canary: Annotated[
        str | None,
        typer.Option(
            metavar="ALIAS",
            help="Alias of a release that gets a share of the requests beside it: the share that "
            "the alias was moved with, `kedge alias move … --share 0.1`.",
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address; KEDGE_SERVING__HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; KEDGE_SERVING__PORT.")] = None,
) -> None:
    r"""Serve the release that an alias points at, and swap it when the alias moves.

    `POST /predict` with `{"instances": [{…}]}` predicts and logs, `GET /release` says who serves,
    `GET /health` whether all is well.

        kedge serve flights --port 8080

        curl -X POST localhost:8080/predict -H 'content-type: application/json' \
             -d '{"instances": [{"distance": 1089, "carrier": "UA"}]}'
    """
    from kedge import logs
    from kedge.serving.server import serve as run
    from kedge.settings import Settings

    settings = Settings()
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    serving = settings.serving.model_copy(update=given)
    logs.configure("serving")
    run(settings.model_copy(update={"serving": serving}), model, alias, canary)
