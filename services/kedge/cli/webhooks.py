"""`kedge webhooks`: who is told of alerts, and whether it gets there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.policy import Webhook
    from kedge.settings import Settings

_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="""Webhooks: who is told of alerts, and whether it gets there.

        Endpoints stand in the policies that `KEDGE_ALERTING__POLICY` names, as `[[webhooks]]`.
        Their secrets are environment variables, and are never shown.
        """,
    )
    group.command("list")(list_)
    group.command("test")(try_one)
    app.add_typer(group, name="webhooks")


def list_(*, as_json: _Json = False) -> None:
    """List the endpoints of the policies.

    Example: `kedge webhooks list`
    """
    from kedge.settings import Settings

    listed = [_summary(model, webhook) for model, webhook in _endpoints(Settings())]
    if as_json:
        typer.echo(json.dumps(listed, indent=2))
        return
    if not listed:
        typer.echo("no endpoint: no policy has [[webhooks]], so nobody is told of alerts")
    for each in listed:
        severities = ", ".join(each["severities"])
        typer.echo(f"{each['name']:20}{each['format']:14}{each['to']}  ({severities})")


def try_one(
    name: Annotated[str, typer.Argument(help="Name of the endpoint in the policy.")],
    *,
    as_json: _Json = False,
) -> None:
    """Post a test alert to one endpoint, and one that resolves it; exit code 0 if both were taken.

    They are signed and formatted as real ones, say that they are a test, and are tried once.

    Example: `kedge webhooks test oncall`
    """
    import time

    from kedge.policy import is_local
    from kedge.settings import Settings
    from kedge.webhooks.attempts import client, post
    from kedge.webhooks.sample import sample_alerts
    from kedge.webhooks.secrets import destination

    settings = Settings()
    known = {webhook.name: (model, webhook) for model, webhook in _endpoints(settings)}
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "no policy has [[webhooks]]"
        raise KedgeError(f"there is no endpoint {name!r}: {there}")
    model, webhook = known[name]
    to = destination(webhook, settings)
    answers = []
    with client(local=is_local(to.url)) as http:
        for alert in sample_alerts(model, time.time_ns() // 1000):
            body = to.body(alert)
            attempt = post(http, to.url, to.headers(alert["id"], int(time.time()), body), body)
            answers.append(
                {
                    "status": alert["status"],
                    "delivered": attempt.delivered,
                    "answer": attempt.answer,
                }
            )
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        for each in answers:
            typer.echo(
                f"{each['status']:10}{'taken' if each['delivered'] else 'refused'}: "
                f"{each['answer']}"
            )
    if not all(each["delivered"] for each in answers):
        raise typer.Exit(1)


def _endpoints(settings: Settings) -> list[tuple[str, Webhook]]:
    """Each with the model of its policy."""
    from kedge import policies

    return [
        (policy.model, webhook)
        for policy in policies.configured(settings)
        for webhook in policy.webhooks
    ]


def _summary(model: str, webhook: Webhook) -> dict[str, Any]:
    return {
        "name": webhook.name,
        "model": model,
        "format": webhook.format,
        "to": webhook.url or (f"${webhook.url_env}" if webhook.url_env else "PagerDuty"),
        "signed": webhook.is_signed,
        "severities": list(webhook.severities),
    }
