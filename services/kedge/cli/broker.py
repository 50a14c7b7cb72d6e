"""`kedge broker`: the embedded Kafka."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kedge.broker import Status

_NOT_RUNNING = 3
_NOT_ANSWERING = 4

_Json = Annotated[bool, typer.Option("--json", help="As one JSON object.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="""The embedded broker: a real Apache Kafka, one node, on this machine's Java.

        `kedge broker start` fetches it once, keeps its data under `KEDGE_HOME`, and leaves it
        running. Every other command finds it there. It listens on this machine only.

        To use a Kafka that you already have, set `KEDGE_KAFKA__BOOTSTRAP_SERVERS=host:9092`, and
        further client options likewise (`KEDGE_KAFKA__SECURITY_PROTOCOL=SASL_SSL`, …). Then none
        of these commands is needed.
        """,
    )
    group.command()(start)
    group.command()(stop)
    group.command()(status)
    group.command()(logs)
    app.add_typer(group, name="broker")


def start(*, as_json: _Json = False) -> None:
    """Start the broker, or find it running, and wait until it answers.

    Data of earlier runs is there again, and the port is the same as long as it is free;
    `KEDGE_BROKER__PORT` fixes one. Kafka's jars are resolved by Maven if there is one, else
    downloaded from `KEDGE_BROKER__MAVEN_REPOSITORY`, and checked by digest either way. Java 17 or
    newer is taken from `JAVA_HOME`, from `PATH`, or from `pip install 'kedge[jre]'`.

    Where `KEDGE_KAFKA__BOOTSTRAP_SERVERS` names a broker, nothing is started; the exit code says
    whether that one answers (0) or not (3).

    Example: `kedge broker start --json | jq -r .bootstrap_servers`
    """
    from kedge import broker
    from kedge.settings import Settings

    settings = Settings()
    broker.start(settings)
    _tell(broker.status(settings), as_json=as_json)


def stop() -> None:
    """Stop the embedded broker. Its data stays, and is there again after the next start."""
    from kedge import broker
    from kedge.settings import Settings

    stopped = broker.stop(Settings())
    typer.echo("Kafka stopped." if stopped else "The embedded broker was not running.")


def status(*, as_json: _Json = False) -> None:
    """Tell which broker is used, and whether it answers.

    Exit code: 0 it runs and answers, 3 it does not run, 4 it runs and does not answer.

    Example: `kedge broker status || kedge broker start`
    """
    from kedge import broker
    from kedge.settings import Settings

    _tell(broker.status(Settings()), as_json=as_json)


def logs(
    *,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")
    ] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
) -> None:
    """Print the end of the embedded broker's log.

    Example: `kedge broker logs -n 20 --follow`
    """
    from kedge.broker.layout import Layout
    from kedge.broker.log_file import follow as followed
    from kedge.broker.log_file import tail
    from kedge.errors import KedgeError
    from kedge.settings import Settings

    log = Layout.of(Settings().home).log
    if not log.exists():
        raise KedgeError(f"there is no log {log} yet: `kedge broker start` begins one.")
    if not follow:
        typer.echo(tail(log, lines), nl=False)
        return
    try:
        for text in followed(log, lines):
            typer.echo(text, nl=False)
    except KeyboardInterrupt:
        return


def _tell(found: Status, *, as_json: bool) -> None:
    """Print it, and let the exit code say the gist of it."""
    if as_json:
        started_at = found.started_at.isoformat() if found.started_at else None
        typer.echo(json.dumps({**asdict(found), "started_at": started_at}, default=str))
    else:
        _show(found)
    if not found.running:
        raise typer.Exit(_NOT_RUNNING)
    if not found.answers:
        raise typer.Exit(_NOT_ANSWERING)


def _show(found: Status) -> None:
    if not found.embedded:
        typer.echo(
            f"The broker at {found.bootstrap_servers}, which KEDGE_KAFKA__BOOTSTRAP_SERVERS names, "
            f"{'answers' if found.answers else 'does not answer'}. The embedded one is not needed."
        )
        return
    if not found.running:
        typer.echo("The embedded broker does not run. Start it with `kedge broker start`.")
    elif not found.answers:
        typer.echo(
            f"Kafka {found.version} runs (process {found.pid}), and does not answer on "
            f"{found.bootstrap_servers}. See `kedge broker logs`."
        )
    else:
        typer.echo(f"Kafka {found.version} answers on {found.bootstrap_servers}.")
    for name, value in (
        ("process", f"{found.pid}, since {found.started_at:%F %T} UTC" if found.pid else None),
        ("java", found.java),
        ("data", found.data),
        ("log", found.log),
    ):
        if value:
            typer.echo(f"  {name:8} {value}")
