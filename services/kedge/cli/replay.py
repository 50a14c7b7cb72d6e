"""`kedge replay`: a slice of the archive to Kafka once more."""

from __future__ import annotations

from typing import Annotated

import typer

from kedge.cli.screen import progress


def add_to(app: typer.Typer) -> None:
    """Register `kedge replay`."""
    app.command("replay")(replay)


def replay(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    *,
    prefix: Annotated[
        str, typer.Option(help="Topics to send to begin with this; missing ones are made.")
    ],
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only event times from then on: `2h`, `7d`, an ISO time."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only event times before then.")
    ] = None,
    release: Annotated[int | None, typer.Option(help="Only predictions of this release.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="Only predictions of this environment.")
    ] = None,
    outcomes: Annotated[
        bool, typer.Option(help="Also the outcomes of these predictions, whenever they came.")
    ] = True,
    releases: Annotated[
        bool,
        typer.Option(
            "--releases", help="First what the topic in force says of the model's releases."
        ),
    ] = False,
    single: Annotated[
        bool,
        typer.Option("--single", help="One message a prediction, not the batches they came in."),
    ] = False,
    shift_to: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Move all times alike, so that the newest prediction is made as it is sent: "
            "`now`, or an ISO time that stands for it.",
        ),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="TIMES", help="`1x` as the events were, `10x` ten times as fast; else at once."
        ),
    ] = None,
    in_force: Annotated[
        bool,
        typer.Option(
            "--in-force", help="Allow the prefix in force, whose services count all of it again."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as JSON.")] = False,
) -> None:
    """Publish a slice of the archive to Kafka again, under another topic prefix.

    For a new consumer, the rehearsal of an incident, a bug report. Ids, event times, partitions and
    the order within them stay as they were. It ends when the broker has taken every message.

    Example: `kedge replay flights --since 2h --prefix rehearsal --releases --shift-to now`
    """
    import json
    from dataclasses import asdict

    from kedge.archive import connect
    from kedge.broker import connection
    from kedge.cli.times import moment
    from kedge.clock import microseconds_now
    from kedge.errors import KedgeError
    from kedge.replay import EVER, Slice
    from kedge.replay import replay as publish
    from kedge.settings import Settings

    settings = Settings()
    if prefix == settings.topic_prefix and not in_force:
        raise KedgeError(
            f"`{prefix}` is the prefix in force: its services would count these predictions a "
            "second time. Name another --prefix, or say --in-force if that is what you want."
        )
    pace = None if speed is None else _times(speed)
    now = None
    if shift_to is not None:
        now = microseconds_now() if shift_to == "now" else moment(shift_to)
    wanted = Slice(
        model,
        EVER[0] if since is None else moment(since),
        EVER[1] if until is None else moment(until),
        release,
        environment,
    )
    with connect(settings.archive_url) as archive:
        total = wanted.extent(archive).rows
        with progress("replaying", total) as advance:
            done = publish(
                archive,
                connection(settings),
                settings,
                wanted,
                # As a setting it is checked.
                Settings(topic_prefix=prefix).topic_prefix,
                outcomes=outcomes,
                releases=releases,
                single=single,
                speed=pace,
                shift_to=now,
                on_sent=advance,
            )
    if as_json:
        typer.echo(json.dumps(asdict(done) | {"prefix": prefix}, indent=2))
        return
    typer.echo(
        f"Replayed {done.predictions:,} predictions, {done.outcomes:,} outcomes and "
        f"{done.releases:,} events of releases to {prefix}.*, in {done.messages:,} messages."
    )
    if done.shift:
        typer.echo(f"All times were moved by {done.shift / 1e6:+,.0f} s.")


def _times(text: str) -> float:
    from kedge.errors import KedgeError

    try:
        times = float(text.removesuffix("x"))
    except ValueError:
        times = 0.0
    if not 0 < times < float("inf"):
        raise KedgeError(f"`{text}` is no speed: write 1x, 10x or 0.5x")
    return times
