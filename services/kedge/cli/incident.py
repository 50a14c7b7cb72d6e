"""`kedge export-incident`: one incident as one file for a colleague."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kedge.cli.screen import print_fields, utc


def add_to(app: typer.Typer) -> None:
    """Register `kedge export-incident`."""
    app.command("export-incident")(export_incident)


def export_incident(
    incident: Annotated[str, typer.Argument(help="Its id, or the id of one of its alerts.")],
    *,
    output: Annotated[
        Path | None, typer.Option(help="The file.", show_default="incident-<id>.duckdb")
    ] = None,
    before: Annotated[
        str, typer.Option(metavar="SPAN", help="How long before the onset: `30m`, `6h`, `2d`.")
    ] = "6h",
    after: Annotated[
        str, typer.Option(metavar="SPAN", help="How long after the last window that was over.")
    ] = "1h",
    most: Annotated[
        int, typer.Option(min=1, help="Predictions at most; of more, a sample by their ids.")
    ] = 500_000,
    values: Annotated[
        bool, typer.Option(help="With the values of features, outputs and truths.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="What was written, as JSON.")] = False,
) -> None:
    """Make one file of an incident that a colleague opens with DuckDB alone.

    It has the predictions around the onset and their outcomes, the statistics, alerts, decisions
    and releases of that time, and a table `readme` with queries to begin with. It has personal data
    if features, outputs or ids have: `--no-values` leaves values out.

    Example: `kedge export-incident 1f0c…-1700000040000000 --before 2h --output incident.duckdb`
    """
    import json
    import re
    from dataclasses import asdict

    from kedge.archive import connect
    from kedge.archive.incident_file import export_incident as export
    from kedge.cli.times import span
    from kedge.settings import Settings

    name = re.sub(r"[^\w.-]", "-", incident)
    path = output or Path(f"incident-{name}.duckdb")
    with connect(Settings().archive_url) as archive:
        written = export(
            archive, incident, path, before=span(before), after=span(after), most=most,
            values=values,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(asdict(written) | {"path": str(path)}, indent=2))
        return
    print_fields(
        {
            "file": f"{written.path} ({written.size / 1e6:,.1f} MB)",
            "incident": f"{written.incident} of {written.model} in {written.environment}",
            "onset": utc(written.onset),
            "predictions from": utc(written.since),
            "predictions to": utc(written.until),
            **{table: f"{count:,}" for table, count in written.rows.items()},
        }
    )
    if written.left_out:
        typer.echo(f"{written.left_out:,} predictions were too many; `--most` takes more.")
    typer.echo(f'Open it with `duckdb {written.path} "FROM readme"`.')
    if values:
        typer.echo("It has values as they were logged: give it only to who may see those.")
