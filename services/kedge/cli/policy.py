"""`kedge policy`: the rules, checked before they matter."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.errors import KedgeError

if TYPE_CHECKING:
    from kedge.policy import Policy

_EXAMPLE = """\
model = "flights"            # or "*", for every model without a policy of its own
# environment = "production" # only predictions from there
alias = "production"         # what is moved back

[[rules]]
name = "an input goes missing"
statistic = "missing_increase" # kedge policy statistics lists what there is
role = "feature"               # or output; both without it
columns = ["*"]                # globs
above = 0.10                   # or below: ten percentage points more than in the reference
min_rows = 200                 # a window of fewer says nothing
windows = 1                    # so many in a row over the threshold, and it fires
resolve_windows = 1            # so many in a row under it, and it is resolved
# for_seconds = 600            # and over it for so much event time after the first window
# keep_firing_for_seconds = 600 # and under it for so much
severity = "critical"          # info, warning, critical
action = "rollback"            # notify, rollback

[[rules]]
name = "an input or the output drifts"
statistic = "psi"
above = 0.25
evidence_above = 1000          # and it is no chance: on average, 1000 windows to a false alarm
# window_seconds = 3600        # one of KEDGE_STREAM__LONGER_WINDOWS; the base window without it
# every_seconds = 600          # look so often, at windows that overlap; once per window without it
min_rows = 1000
windows = 2
severity = "warning"

[[rules]]
name = "the model is wrong too often from some airport"
statistic = "accuracy"
segment = "origin=*"           # or origin=JFK, or distance=[100,250); all rows without it
below = 0.8
min_rows = 500                 # rows whose truth is known

[[rules]]
name = "errors become more"
statistic = "concept_drift"
kind = "adwin"                 # or page_hinkley, kswin, ddm, hddm_a, hddm_w
above = 0

# [rhythm]
# season = "day"               # hours of the day differ, and that is no drift; or week, or seconds
# slots = 24

[rollback]
mode = "auto"           # approve: ask a person; dry-run: say so in the alert, and move nothing
cooldown_seconds = 3600
most_per_day = 3

[[webhooks]]
name = "oncall"
url = "https://example.com/kedge"
secret_env = "KEDGE_WEBHOOK_ONCALL" # holds whsec_…; without it, KEDGE_ALERTING__WEBHOOK_SECRET
severities = ["critical", "warning"]
# format = "cloudevents"            # or alertmanager, slack, pagerduty
# group_by = ["release", "rule"]    # alerts that have these alike are one notification
# group_wait_seconds = 10           # the first of a group waits for others; a rollback does not
# group_interval_seconds = 300      # the group's next news come so long after
# repeat_interval_seconds = 14400   # what still fires is told again
# url_env = "KEDGE_SLACK_URL"       # in place of url, where the URL is a secret
# routing_key_env = "KEDGE_PAGERDUTY_KEY" # for pagerduty, which needs no url

[[inhibit]]                         # what fires on the left mutes what is on the right
source = { action = "rollback" }
target = { severity = ["info", "warning"] }
equal = ["release"]
"""


_STATISTICS = """\
Made by `kedge policy statistics --markdown` from the catalogue in the code. p are the shares of the
window, q those of the reference, over the bins of the reference; rows that have no usable value are
the missing rates' subject and are left out of p and q. Of performance, ŷ is the output, y the
truth, p the score of the positive class and n the joined rows; see [performance](performance.md).
Where a number can't be had, it is null and its note says why: no data is neither near nor far.

Windows are of event time. Those of the broker's clock are base windows only, are published once,
and are never compared with the others. A rule on a statistic that is a plain count needs no
`min_rows`: windows that are small, or empty, are what it is about."""


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="""Policies: which statistic, which threshold, and what happens then.

        A policy is a TOML file. `KEDGE_ALERTING__POLICY` names it, or a folder of several, for the
        services alerting and webhooks.
        """,
    )
    group.command()(check)
    group.command()(example)
    group.command()(statistics)
    app.add_typer(group, name="policy")


def check(
    file: Annotated[
        Path | None,
        typer.Argument(
            help="The policy, or a folder of several.", show_default="KEDGE_ALERTING__POLICY"
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Check a policy file: exit code 0 if it can be used, 1 if not.

    All that is wrong is told at once, with the line, the key and what would be right. Rules are
    held against the settings here and now: the windows they look at have to be published.

    Example: `kedge policy check policy.toml`
    """
    from kedge import policies
    from kedge.policy import PolicyError
    from kedge.settings import Settings

    settings = Settings()
    path = file or settings.alerting.policy
    if path is None:
        raise KedgeError("no policy to check: name a file, or set KEDGE_ALERTING__POLICY")
    try:
        found = policies.load(path, settings.stream)
    except KedgeError as error:
        if not as_json:
            raise
        problems = (
            [{"file": error.file, **asdict(problem)} for problem in error.problems]
            if isinstance(error, PolicyError)
            else [{"file": str(path), "line": None, "key": "", "wrong": str(error), "right": ""}]
        )
        typer.echo(json.dumps({"ok": False, "policies": [], "problems": problems}, indent=2))
        raise typer.Exit(1) from error
    if as_json:
        listed = [_summary(policy) for policy in found]
        typer.echo(json.dumps({"ok": True, "policies": listed, "problems": []}, indent=2))
        return
    for policy in found:
        typer.echo(_sentence(policy))


def example() -> None:
    """Print a policy to start from.

    Example: `kedge policy example > policy.toml`
    """
    typer.echo(_EXAMPLE, nl=False)


def statistics(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON array.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="As `docs/statistics.md`.")] = False,
) -> None:
    """List every statistic that a rule can name: meaning, formula, unit, usual thresholds.

    Example: `kedge policy statistics --json | jq -r '.[].name'`
    """
    from kedge.statistics import CATALOGUE, as_markdown

    entries = CATALOGUE.values()
    if as_json:
        # JSON has no infinity: what has no bound has none there.
        unbounded = (math.inf, -math.inf)
        listed = [
            {key: None if value in unbounded else value for key, value in asdict(entry).items()}
            for entry in entries
        ]
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
    elif markdown:
        typer.echo(
            "\n".join(("# Statistics", "", _STATISTICS, "", *as_markdown(entries))), nl=False
        )
    else:
        width = max(map(len, CATALOGUE)) + 2
        for entry in entries:
            usual = f" Usual: {entry.conventional}." if entry.conventional else ""
            typer.echo(f"{entry.name:{width}}{entry.meaning} ({entry.unit}){usual}")


def _summary(policy: Policy) -> dict[str, Any]:
    return {
        "model": policy.model,
        "environment": policy.environment,
        "alias": policy.alias,
        "rules": [rule.name for rule in policy.rules],
        "rollback": policy.rollback.mode,
        "webhooks": [webhook.name for webhook in policy.webhooks],
    }


def _sentence(policy: Policy) -> str:
    model = "every model" if policy.model == "*" else f"model {policy.model}"
    where = f" in {policy.environment}" if policy.environment else ""
    moving = [rule.name for rule in policy.rules if rule.action == "rollback"]
    hauls = f"{len(moving)} of them roll {policy.alias} back ({policy.rollback.mode})"
    told = ", ".join(webhook.name for webhook in policy.webhooks) or "nobody"
    return (
        f"ok: {model}{where}: {len(policy.rules)} rules, "
        f"{hauls if moving else 'none of them rolls back'}; webhooks to {told}"
    )
