"""`kedge doctor`: is anything lost, and where?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kedge.doctor import Report

_EXIT_CODES = {"whole": 0, "gap": 1, "behind": 3}
_SAID = {
    "whole": "Everything agrees.",
    "gap": "There is a gap that time will not close.",
    "behind": "Nothing is lost so far; something is behind.",
}


def add_to(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    model: Annotated[str | None, typer.Option(help="Only this model.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for scripts.")] = False,
) -> None:
    """Show what became of every prediction that was sent, and say where a gap is.

    By model and partition: sent (as the SDKs number their events) = missing + arrived, and
    received = profiled + dead-lettered + duplicate = archived. It may be asked at any time, also
    while everything runs.

    Exits with 0 when all sums agree, with 1 when there is a gap that time will not close, and with
    3 when a service is merely behind. Example: `kedge doctor --model flights`
    """
    from kedge.doctor import examine, gather
    from kedge.errors import KedgeError
    from kedge.settings import Settings

    report = examine(gather(Settings()))
    if model is not None:
        known = sorted({line.model for line in report.lines if line.model})
        report = report.of_model(model)
        if not report.lines:
            raise KedgeError(
                f"no prediction of a model `{model}` has arrived; there are: "
                f"{', '.join(known) or 'none'}"
            )
    if as_json:
        _print_json(report)
    else:
        _print(report)
    raise typer.Exit(_EXIT_CODES[report.status])


def _print_json(report: Report) -> None:
    import json
    from dataclasses import asdict

    typer.echo(json.dumps({"status": report.status, **asdict(report)}, indent=2))


def _print(report: Report) -> None:
    import sys
    from dataclasses import astuple, fields

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from kedge.doctor import Line

    # Cut to the width of a screen only where there is one.
    console = Console() if sys.stdout.isatty() else Console(width=10_000)
    table = Table()
    for field in fields(Line):
        name = field.name.replace("_", "-")
        table.add_column(name, justify="left" if field.name == "model" else "right")
    for line in report.lines:
        cells = ["" if value is None else str(value) for value in astuple(line)]
        table.add_row(*map(Text, cells))
    if report.lines:
        console.print(table)
    else:
        console.print("No prediction has arrived yet.")
    for finding in report.findings:
        console.print(Text(f"{finding.severity}: {finding.text}"), soft_wrap=True)
    console.print(_SAID[report.status])
