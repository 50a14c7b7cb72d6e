"""The `kedge` command. Each group of verbs has its file; this one only puts them together."""

from __future__ import annotations

import sys

import typer

from kedge.cli.access import add_to as add_access
from kedge.cli.backtest import add_to as add_backtest
from kedge.cli.broker import add_to as add_broker
from kedge.cli.deadletters import add_to as add_deadletters
from kedge.cli.demo import add_to as add_demo
from kedge.cli.doctor import add_to as add_doctor
from kedge.cli.incident import add_to as add_incident
from kedge.cli.mlflow import add_to as add_mlflow
from kedge.cli.policy import add_to as add_policy
from kedge.cli.registry import add_to as add_registry
from kedge.cli.rehearse import add_to as add_rehearse
from kedge.cli.releases import add_to as add_releases
from kedge.cli.replay import add_to as add_replay
from kedge.cli.rollback import add_to as add_rollback
from kedge.cli.serve import add_to as add_serve
from kedge.cli.services import add_to as add_services
from kedge.cli.settings import add_to as add_settings
from kedge.cli.silences import add_to as add_silences
from kedge.cli.sql import add_to as add_sql
from kedge.cli.upkeep import add_to as add_upkeep
from kedge.cli.versions import add_to as add_versions
from kedge.cli.webhooks import add_to as add_webhooks
from kedge.errors import KedgeError

app = typer.Typer(
    name="kedge",
    no_args_is_help=True,
    help="Logs what deployed models predict, watches it drift, and hauls the bad release back.",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
for add_to in (
    add_demo,
    add_services,
    add_serve,
    add_broker,
    add_versions,
    add_releases,
    add_rehearse,
    add_rollback,
    add_registry,
    add_mlflow,
    add_access,
    add_policy,
    add_backtest,
    add_webhooks,
    add_silences,
    add_sql,
    add_upkeep,
    add_replay,
    add_incident,
    add_deadletters,
    add_doctor,
    add_settings,
):
    add_to(app)


def main() -> None:
    """Run the command line; the console script's entry."""
    try:
        app()
    except KedgeError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        sys.exit(error.exit_code)
