"""`kedge silence`: alerts that webhooks say nothing about for a while."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.cli.registered import Actor, add_group, opened, who
from kedge.cli.screen import print_table, utc
from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.registry import Silence

_SILENCE = """Silences: alerts that webhooks say nothing about for a while.

A silenced alert still is on the alerts topic and may still move an alias. What still fires when the
silence is over is told then, and the end of what was told before is told in any case.
"""

_COLUMNS = ("id", "state", "starts", "ends", "author", "alerts", "comment")
_Globs = Annotated[list[str] | None, typer.Option(help="A glob; may be given several times.")]
_AsJson = Annotated[bool, typer.Option("--json", help="As JSON; times in microseconds since 1970.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    add_group(app, "silence", _SILENCE, silence_create, silence_list, silence_expire)


def silence_create(
    *,
    until: Annotated[
        str, typer.Option(metavar="TIME", help="`30m`, `2h` or `7d` from now, or an ISO time.")
    ],
    comment: Annotated[str, typer.Option(help="Why; it is kept.")],
    start: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="From when, likewise; now by default.", show_default=False
        ),
    ] = None,
    model: _Globs = None,
    environment: _Globs = None,
    release: _Globs = None,
    rule: _Globs = None,
    column: _Globs = None,
    severity: _Globs = None,
    statistic: _Globs = None,
    action: _Globs = None,
    actor: Actor = "",
    as_json: _AsJson = False,
) -> None:
    """Silence the alerts that fit every option given, each by one of its globs.

    Example: `kedge silence create --model flights --rule "drift*" --until 2h --comment "known"`
    """
    from pydantic import ValidationError

    from kedge.cli.times import moment
    from kedge.policy import Matchers

    given = {
        "model": model,
        "environment": environment,
        "release": release,
        "rule": rule,
        "column": column,
        "severity": severity,
        "statistic": statistic,
        "action": action,
    }
    try:
        matchers = Matchers.model_validate({name: g for name, g in given.items() if g})
    except ValidationError as error:
        wrong = "; ".join(each["msg"] for each in error.errors(include_url=False))
        raise KedgeError(f"which alerts? A silence {wrong}") from error
    ends_at = moment(until, "ahead")
    starts_at = None if start is None else moment(start, "ahead")
    with opened() as registry:
        made = registry.silences.create(
            matchers, ends_at=ends_at, author=who(actor), comment=comment, starts_at=starts_at
        )
    _print([made], as_json=as_json)


def silence_list(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Also those that are over: the whole history.")
    ] = False,
    as_json: _AsJson = False,
) -> None:
    """List the silences that are in force or to come.

    Example: `kedge silence list --all --json`
    """
    with opened() as registry:
        found = registry.silences.find()
    now = _now()
    _print([each for each in found if every or each.over_at > now], as_json=as_json)


def silence_expire(
    number: Annotated[int, typer.Argument(help="Number of the silence, as the list shows it.")],
    *,
    actor: Actor = "",
    as_json: _AsJson = False,
) -> None:
    """End a silence now; what it was stays in the history.

    Example: `kedge silence expire 3`
    """
    with opened() as registry:
        ended = registry.silences.expire(number, actor=who(actor))
    _print([ended], as_json=as_json)


def _now() -> int:
    return time.time_ns() // 1000


def _print(silences: list[Silence], *, as_json: bool) -> None:
    now = _now()
    if as_json:
        typer.echo(json.dumps([_row(each, now) for each in silences], indent=2))
        return
    cells = (
        (
            each.id,
            each.state(now),
            utc(each.starts_at),
            utc(each.over_at),
            each.author,
            ", ".join(f"{name}={'|'.join(globs)}" for name, globs in each.matchers.given.items()),
            each.comment,
        )
        for each in silences
    )
    print_table(_COLUMNS, cells)


def _row(silence: Silence, now: int) -> dict[str, Any]:
    names = ("id", "starts_at", "ends_at", "author", "comment", "created_at", "expired_at")
    return {
        **{name: getattr(silence, name) for name in names},
        "expired_by": silence.expired_by,
        "matchers": silence.matchers.given,
        "state": silence.state(now),
    }
