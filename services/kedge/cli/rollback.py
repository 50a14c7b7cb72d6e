"""`kedge rollback`: rollbacks that wait for a person's answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from kedge.cli.registered import Actor, AsJson, add_group, opened, printed, who

_ROLLBACK = """Rollbacks that a person is asked about: `mode = "approve"` in the policy.

A proposal has one answer. It expires, and it is stale once the alias was moved by anybody else.
"""

_COLUMNS = (
    "id",
    "model",
    "alias",
    "from_release",
    "to_release",
    "state",
    "expires_at",
    "answered_by",
    "answer",
    "reason",
)
_MOVE_COLUMNS = ("model", "alias", "generation", "from_release", "to_release", "actor", "reason")

_Number = Annotated[int, typer.Argument(metavar="ID", help="Number of the proposal.")]
_Why = Annotated[str, typer.Option("--reason", help="Why; it is kept.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    add_group(app, "rollback", _ROLLBACK, rollback_list, rollback_approve, rollback_reject)


def rollback_list(
    *,
    model: Annotated[str | None, typer.Option(help="Of this model only.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Those too that are answered or expired.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the proposals that wait for an answer, the oldest first."""
    with opened() as registry:
        found = registry.proposals.list(model, None if everything else ("pending",))
    printed([asdict(proposal) for proposal in found], _COLUMNS, as_json=as_json)


def rollback_approve(
    number: _Number, *, reason: _Why, actor: Actor = "", as_json: AsJson = False
) -> None:
    """Move the alias as was proposed, if nobody answered or moved it since.

    Example: `kedge rollback approve 3 --reason "agreed on the call"`
    """
    with opened() as registry:
        move = registry.proposals.approve(number, actor=who(actor), reason=reason)
    printed(asdict(move), _MOVE_COLUMNS, as_json=as_json)


def rollback_reject(
    number: _Number, *, reason: _Why, actor: Actor = "", as_json: AsJson = False
) -> None:
    """Leave the alias where it is; the incident moves nothing any more.

    Example: `kedge rollback reject 3 --reason "a fix is on its way"`
    """
    with opened() as registry:
        proposal = registry.proposals.reject(number, actor=who(actor), reason=reason)
    printed(asdict(proposal), _COLUMNS, as_json=as_json)
