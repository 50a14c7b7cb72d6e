"""`kedge up` and `kedge run`: the services, together or one by one."""

from __future__ import annotations

from threading import Event
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("up")(up)
    app.command("run")(run)


def up() -> None:
    """Run everything on this machine until Ctrl-C.

    The dashboard and the HTTP API are among it where the extra `web` is installed, at
    http://127.0.0.1:8090: see docs/dashboard.md.

    Starts the embedded Kafka unless `KEDGE_KAFKA__BOOTSTRAP_SERVERS` names another, creates the
    topics, and keeps every service running: what dies is restarted.
    """
    from kedge import logs
    from kedge.platform import platform
    from kedge.process import stop_on_signals
    from kedge.settings import Settings
    from kedge.supervisor import Supervisor, service_children, wanted

    logs.configure("supervisor")
    settings = Settings()
    stop = Event()
    stop_on_signals(stop.set)
    with platform(settings) as tend:
        typer.echo("Kedge is up. Ctrl-C stops it. Next: `kedge model register --help`.", err=True)
        Supervisor(service_children(wanted(settings)), tend=tend).run(stop)


def run(
    service: Annotated[
        str,
        typer.Argument(
            help="registry, profiler, monitor, auditor, evaluator, assessor, alerting, webhooks, "
            "archiver, compactor, mlflow or web."
        ),
    ],
) -> None:
    """Run one service until SIGTERM or Ctrl-C.

    Several of one kind share the work, on one machine or on many: `kedge run profiler` twice
    profiles twice as fast, as far as there are partitions. Exits with 0 when told to stop, with 1
    when it failed.
    """
    from functools import partial

    from kedge import logs
    from kedge.broker import connection
    from kedge.process import run_until_stopped
    from kedge.settings import Settings
    from kedge.streams.topics import create_topics
    from kedge.supervisor import service as service_named

    settings = Settings()
    target = service_named(service)
    logs.configure(service)
    create_topics(connection(settings), settings)
    raise typer.Exit(run_until_stopped(partial(target, settings), heartbeat=settings.heartbeat))
