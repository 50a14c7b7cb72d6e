"""`kedge webhooks`: who is told of alerts, and whether it gets there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.errors import KedgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kedge.policy import Webhook
    from kedge.settings import Settings
    from kedge.webhooks.notification import Notification

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
    group.command("replay")(replay)
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

    from kedge.settings import Settings
    from kedge.webhooks.sample import sample_notifications

    settings = Settings()
    model, webhook = _endpoint(settings, name)
    samples = list(sample_notifications(name, model, time.time_ns() // 1000))
    _post(samples, webhook, settings, replay=False, as_json=as_json)


def replay(
    name: Annotated[str, typer.Argument(help="Name of the endpoint in the policy.")],
    *,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From when: `30m`, `2h`, `7d` ago or an ISO time."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when, likewise; now by default.")
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Of one notification, or all on one alert, incident or fingerprint.",
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Send; without it, only show what would be.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Send an endpoint what it was told once more; exit code 0 if it took all of it.

    Each goes by its old `webhook-id`, with a header `kedge-replay: true`, and is tried once. There
    is as much to replay as the broker keeps of the topic of notifications.

    Example: `kedge webhooks replay oncall --since 2h --yes`
    """
    from kedge.broker import connection
    from kedge.cli.screen import print_table, utc
    from kedge.cli.times import moment
    from kedge.contracts import Topics
    from kedge.settings import Settings
    from kedge.webhooks.replay import Told, notifications

    if since is None and of is None:
        raise KedgeError("say which notifications: --since TIME, or --of an id")
    settings = Settings()
    _model, webhook = _endpoint(settings, name)
    start, end = (None if text is None else moment(text) for text in (since, until))
    topics = Topics(settings.topic_prefix)
    found = notifications(connection(settings), topics, Told(name, start, end, of))
    if yes:
        _post(found, webhook, settings, replay=True, as_json=as_json)
    elif as_json:
        typer.echo(json.dumps([{"id": each.id, "status": each.status} for each in found], indent=2))
    else:
        rows = (
            (each.id, utc(each.produced_at), each.status, len(each.alerts), each.alerts[0]["rule"])
            for each in found
        )
        print_table(("id", "due", "status", "alerts", "rule"), rows)
        typer.echo(f"Nothing was sent: `--yes` sends these {len(found)} notifications.")


def _post(
    told: Sequence[Notification],
    webhook: Webhook,
    settings: Settings,
    *,
    replay: bool,
    as_json: bool,
) -> None:
    """Try each once, print what came of it, and exit with 1 unless all were taken."""
    import time

    from kedge.webhooks.attempts import client, post
    from kedge.webhooks.secrets import destination

    to = destination(webhook, settings)
    answers = []
    with client(settings.webhooks) as http:
        for each in told:
            body = to.body(each, replay=replay)
            headers = to.headers(each.id, int(time.time()), body, replay=replay)
            attempt = post(http, to.url, headers, body)
            answers.append(
                {
                    "id": each.id,
                    "status": each.status,
                    "delivered": attempt.delivered,
                    "answer": attempt.answer,
                }
            )
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
    else:
        for answer in answers:
            taken = "taken" if answer["delivered"] else "refused"
            typer.echo(f"{answer['status']:10}{taken}: {answer['answer']}")
    if not all(answer["delivered"] for answer in answers):
        raise typer.Exit(1)


def _endpoint(settings: Settings, name: str) -> tuple[str, Webhook]:
    """The endpoint of a name, and the model of its policy."""
    known = {webhook.name: (model, webhook) for model, webhook in _endpoints(settings)}
    if name not in known:
        there = f"there are: {', '.join(known)}" if known else "no policy has [[webhooks]]"
        raise KedgeError(f"there is no endpoint {name!r}: {there}")
    return known[name]


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
