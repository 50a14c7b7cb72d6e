"""`kedge backtest`: a policy tried on the past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kedge.backtest import Fired, Report
    from kedge.policy import Policy

_DIFFERS = 3

_COLUMNS = ("fired", "release", "rule", "about", "value", "blame", "would", "ended", "in force")


def add_to(app: typer.Typer) -> None:
    app.command("backtest")(backtest)


def backtest(
    policy: Annotated[Path, typer.Option(help="The policy file that is tried.")],
    *,
    since: Annotated[
        str | None,
        typer.Option(
            help="30d, 12h: so long before the end; or an ISO time. By default from the first "
            "prediction on."
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(help="An ISO time, or 2h for two hours ago; by default the last prediction."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="A policy to compare with; by default that of KEDGE_ALERTING__POLICY."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    release: Annotated[
        int | None, typer.Option(help="Only incidents of the release of this number.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it to a file: .svg, .png or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Show what a policy would have alerted on, and what it would have done.

    The archived predictions go through the code of the services again; nothing is moved and nobody
    is told. Windows are those of KEDGE_STREAM__WINDOW and its like, so give it the settings that
    the services run with.

    Exits with 0 when the policy in force says the same, or when there is none to compare with, and
    with 3 when it does not. Example: `kedge backtest --policy new.toml --since 30d`
    """
    from kedge.backtest import backtest as run
    from kedge.backtest.plot import check
    from kedge.backtest.plot import plot as draw
    from kedge.policies import configured, load
    from kedge.registry import Registry
    from kedge.settings import Settings

    if plot is not None:
        check(plot)
    settings = Settings()
    tried = _the_one(load(policy, settings.stream), policy)
    in_force = configured(settings) if against is None else load(against, settings.stream)
    with Registry.open(settings) as registry, _progress() as progress:
        report = run(
            settings.archive_url,
            registry,
            tried,
            _since(since),
            _moment(until),
            in_force=in_force or None,
            model=model,
            release=release,
            settings=settings,
            progress=progress,
        )
    if plot is not None:
        draw(report, plot)
    if as_json:
        import json

        typer.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        _print(report)
    raise typer.Exit(_DIFFERS if report.differs else 0)


def _the_one(policies: tuple[Policy, ...], path: Path) -> Policy:
    from kedge.errors import KedgeError

    if len(policies) > 1:
        raise KedgeError(f"{path} has {len(policies)} policies: name the file of the one to try")
    return policies[0]


def _since(text: str | None) -> int | timedelta | None:
    from kedge.cli.times import span
    from kedge.errors import KedgeError

    if text is None:
        return None
    try:
        return timedelta(microseconds=span(text))
    except KedgeError:
        return _moment(text)


def _moment(text: str | None) -> int | None:
    from kedge.cli.times import moment

    return None if text is None else moment(text)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("predictions", total=None)
        yield lambda read, all_: bar.update(task, completed=read, total=all_)


def _print(report: Report) -> None:
    from kedge.cli.screen import print_table, utc

    for each in report.trials:
        counts = each.counts
        typer.echo(
            f"{each.model} in {each.environment}, {utc(each.since)} to {utc(each.until)}: "
            f"{counts.predictions:,} predictions, {counts.windows:,} windows"
        )
        left_out = {"came again": counts.duplicates, "too late": counts.late, **counts.refused}
        if any(left_out.values()):
            told = ", ".join(f"{count:,} {why}" for why, count in left_out.items() if count)
            typer.echo(f"  not counted: {told}")
    for note in report.notes:
        typer.echo(f"note: {note}")
    if report.incidents:
        typer.echo()
        print_table(
            _COLUMNS, [_row(fired, compared=report.is_compared) for fired in report.incidents]
        )
    if report.only_in_force:
        typer.echo("Only the policy in force alerts on these:")
        print_table(_COLUMNS, [_row(fired, compared=False) for fired in report.only_in_force])
    typer.echo(_summary(report))


def _row(fired: Fired, *, compared: bool) -> list[str]:
    from kedge.cli.screen import utc

    return [
        utc(fired.fired_at),
        str(fired.release),
        fired.rule,
        fired.about,
        "-" if fired.value is None else f"{fired.value:.4g}",
        fired.blame or "-",
        fired.would,
        "-" if fired.ended_at is None else utc(fired.ended_at),
        _in_force(fired) if compared else "-",
    ]


def _in_force(fired: Fired) -> str:
    other = fired.counterpart
    if other is None:
        return "silent"
    by = "" if other.rule == fired.rule else f" ({other.rule})"
    windows = abs(other.windows_earlier)
    if not windows:
        return f"at the same time{by}"
    when = "earlier" if other.windows_earlier > 0 else "later"
    return f"{windows} window{'' if windows == 1 else 's'} {when}{by}"


def _summary(report: Report) -> str:
    found = report.summary()
    said = f"Incidents: {found['incidents']}. Rollbacks: {found['would_roll_back']}."
    if not report.is_compared:
        return f"{said} There is no policy in force to compare with."
    if not report.differs:
        return f"{said} The policy in force says the same."
    return (
        f"{said} Of the incidents, the policy in force has {found['in_force_too']} too: "
        f"{found['earlier']} earlier here, {found['later']} later. Only here: "
        f"{found['only_here']}. Only in force: {found['only_in_force']}."
    )
