"""`kedge token` and `kedge audit`: who may ask the HTTP API, and who changed what."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from kedge.cli.registered import Actor, AsJson, add_group, opened, printed, who

_GROUP = """Tokens of the HTTP API.

A token is shown when it is made and never again: the registry keeps its digest.
"""
_COLUMNS = (
    "name",
    "prefix",
    "scope",
    "created_at",
    "actor",
    "expires_at",
    "revoked_at",
    "used_at",
)
_AUDIT_COLUMNS = ("at", "actor", "action", "target", "result", "request", "detail")
_SECONDS = {"h": 3600, "d": 86_400}

_Name = Annotated[str, typer.Argument(help="What the audit calls it: one name is one token.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    add_group(app, "token", _GROUP, token_create, token_list, token_revoke)
    app.command("audit")(audit)


def _lifetime(text: str) -> int | None:
    """Microseconds of `90d` or `12h`; None for `never`."""
    if text == "never":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})([hd])", text)
    if found is None:
        raise typer.BadParameter("it takes a number of hours or days, as in 12h or 90d, or `never`")
    return int(found[1]) * _SECONDS[found[2]] * 1_000_000


def token_create(
    name: _Name,
    *,
    scope: Annotated[
        Literal["read", "operate", "admin"],
        typer.Option(
            help="read; operate, to register, release and move aliases too; admin, for the audit "
            "and the tokens too."
        ),
    ] = "read",
    expires: Annotated[
        str, typer.Option(help="After how long: 12h, 90d or `never`.", metavar="TIME")
    ] = "90d",
    actor: Actor = "",
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once.

    Who can operate can put any code into production: mind who has such a token.

    Example: `kedge token create grafana --scope read --expires 365d`
    """
    from kedge.registry import Act

    lifetime, maker = _lifetime(expires), who(actor)
    with opened() as registry:
        audited = registry.audited(Act(maker, "create_token", name))
        secret, token = audited.tokens.create(name, scope, actor=maker, lifetime=lifetime)
    if as_json:
        printed({**asdict(token), "token": secret}, (), as_json=True)
        return
    typer.echo(secret)
    typer.echo("It is not shown again. Send it as `Authorization: Bearer …`.", err=True)


def token_list(*, as_json: AsJson = False) -> None:
    """List every token, revoked and expired ones too. When it was used is known to ten minutes."""
    with opened() as registry:
        tokens = registry.tokens.all()
    printed([asdict(token) for token in tokens], _COLUMNS, as_json=as_json)


def token_revoke(name: _Name, *, actor: Actor = "", as_json: AsJson = False) -> None:
    """Make a token no good from now on."""
    from kedge.registry import Act

    with opened() as registry:
        token = registry.audited(Act(who(actor), "revoke_token", name)).tokens.revoke(name)
    printed(asdict(token), _COLUMNS, as_json=as_json)


def audit(
    *,
    limit: Annotated[int, typer.Option(min=1, help="Most entries.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List who changed what over the HTTP API, or was refused to, and who made tokens.

    The newest entry comes first. What the shell and the services change is in the histories:
    `kedge alias history`.
    """
    with opened() as registry:
        entries = registry.audit.newest(limit)
    printed([asdict(entry) for entry in entries], _AUDIT_COLUMNS, as_json=as_json)
