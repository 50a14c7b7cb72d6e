"""`kedge demo`: the main job on real data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command("demo")(demo)


def demo(
    speed: Annotated[
        float, typer.Option(min=1.0, help="Seconds of 2013 in a second of yours.")
    ] = 200_000.0,
    days: Annotated[
        int | None,
        typer.Option(
            min=42,
            help="Days of flights after the training; all 337 by default. "
            "With fewer, the incidents of these are told.",
        ),
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Where the run is kept; a new folder in .kedge by default.")
    ] = None,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write the summary there as JSON too.")
    ] = None,
) -> None:
    """Watch four incidents, on a real Kafka with the flights of New York 2013.

    Trains a model on January, serves it and streams the rest of the year. Code loses an input, the
    season changes, a badly trained model ships, the weather feed breaks; and of each it is told
    whose fault it is. The alias comes back by itself from the two bad releases, stays where it is
    in the other incidents, and a fix in the code ends the last one. Takes about three minutes.
    Exits with 0 only if everything came out so, with 1 otherwise.
    """
    import json
    import time

    from rich.console import Console

    from kedge import logs
    from kedge.demo.chapters import Plan
    from kedge.demo.report import report
    from kedge.demo.stage import stage
    from kedge.demo.story import play
    from kedge.demo.terminal import Terminal, summarise

    home = home or Path(".kedge") / f"demo-{time.strftime('%Y%m%d-%H%M%S')}"
    home.mkdir(parents=True, exist_ok=True)
    console = Console()
    with (home / "demo.log").open("w") as log_file:
        logs.configure("demo", stream=log_file)
        with Terminal(console) as terminal:
            terminal.says(f"starting a broker and the services; everything is kept in {home}")
            with stage(home) as running:
                outcome = play(running, Plan(speed, days), terminal)
                terminal.says("stopping")
        logs.configure("demo")
    summarise(console, outcome, running)
    if json_path is not None:
        json_path.write_text(json.dumps(report(outcome), indent=2) + "\n")
    if shortcomings := outcome.shortcomings():
        for shortcoming in shortcomings:
            console.print(f"[red]not as told:[/red] {shortcoming}")
        console.print(f"The services' logs are in {running.logs}.")
        raise typer.Exit(1)
    console.print("[green]The story came out so.[/green]")
