"""`kedge deadletters`: what was given up, why, and once more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kedge.cli.screen import print_fields, print_table, progress, utc

if TYPE_CHECKING:
    from kedge.deadletters import Letter, Letters, Place, Selection
    from kedge.settings import Settings
    from kedge.streams.clients import Options

_HELP = """Dead letters: messages that a service gave up, kept whole, with the reason.

`list` says what and why, `show` has everything about one, `replay` sends them once more after what
was wrong is mended. A letter is named by its place in the topic: partition/offset.
"""

Reason = Annotated[
    str | None, typer.Option(help="Only of this reason, for example `unknown_release`.")
]
Service = Annotated[str | None, typer.Option(help="Only those this service gave up.")]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only those given up since: `90s`, `30m`, `2h`, `7d` or an ISO time."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON; times in microseconds since 1970.")]


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=_HELP)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("replay")(replay)
    app.add_typer(group, name="deadletters")


def list_(
    *,
    reason: Reason = None,
    service: Service = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="How many letters to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Count the dead letters by service and reason, and list the newest.

    Example: `kedge deadletters list --reason unknown_release --since 2h`
    """
    import heapq
    import json

    _kafka, _settings, letters = _opened()
    replayed = letters.replayed()
    tally: dict[tuple[str, str], list[int]] = {}

    def counted() -> Iterator[Letter]:
        for letter in letters.find(_selection(reason, service, since)):
            counts = tally.setdefault((letter.service, letter.reason), [0, 0, 0])
            counts[0] += 1
            counts[1] += letter.rows
            counts[2] += letter.place in replayed
            yield letter.without_value()

    newest = heapq.nlargest(limit, counted(), key=lambda letter: (letter.at, letter.place))
    if as_json:
        summary = [
            dict(zip(_SUMMARY, (*key, *counts), strict=True))
            for key, counts in sorted(tally.items())
        ]
        listed = [_row(letter, replayed) for letter in newest]
        typer.echo(json.dumps({"summary": summary, "letters": listed}, indent=2))
        return
    if not tally:
        typer.echo("There are no such dead letters.")
        return
    print_table(_SUMMARY, ((*key, *counts) for key, counts in sorted(tally.items())))
    print_table(_LISTED, (_cells(letter, replayed) for letter in newest))
    total = sum(counts[0] for counts in tally.values())
    if len(newest) < total:
        typer.echo(f"The newest {len(newest)} of {total}: `--limit` lists more.")


def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION/OFFSET", help="As in the list.")],
    *,
    raw: Annotated[
        Path | None,
        typer.Option(help="Write the message's bytes to this file.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show everything about one dead letter, and what its message says as far as it can be read.

    Example: `kedge deadletters show 3/17 --raw message.avro`
    """
    import base64
    import json

    from kedge.deadletters import described, hex_dump, place_of
    from kedge.errors import KedgeError

    wanted = place_of(place)
    _kafka, _settings, letters = _opened()
    letter = letters.completed(letters.at(wanted))
    message = letter.message
    value = message.value or b""
    contents = described(message.value)
    if raw is not None:
        try:
            raw.write_bytes(value)
        except OSError as error:
            raise KedgeError(f"{raw} can't be written: {error.strerror}") from error
        typer.echo(f"{len(value)} bytes written to {raw}", err=True)
    row = _row(letter, letters.replayed())
    if as_json:
        whole = {
            "key": None if message.key is None else base64.b64encode(message.key).decode(),
            "headers": [
                [name, None if content is None else base64.b64encode(content).decode()]
                for name, content in message.headers
            ],
            "value": None if message.value is None else base64.b64encode(message.value).decode(),
        }
        typer.echo(json.dumps(row | whole | {"contents": contents}, indent=2))
        return
    row["at"], row["timestamp"] = utc(row["at"]), utc(row["timestamp"])
    row["replayed_at"] = row["replayed_at"] and utc(row["replayed_at"])
    row["key"] = message.key
    for name, content in message.headers:
        row.setdefault(f"header {name}", []).append(content)
    print_fields(row)
    typer.echo("\nThe message says:")
    for name in ("event_time", "first_event_time", "last_event_time"):
        if name in contents:
            contents[name] = f"{contents[name]} ({utc(contents[name])})"
    print_fields(contents)
    if value:
        typer.echo("\nIt begins with:")
        typer.echo(hex_dump(value[:_DUMPED]))


def replay(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PARTITION/OFFSET]...", help="Letters; or select by options."),
    ] = None,
    *,
    reason: Reason = None,
    service: Service = None,
    since: Since = None,
    every: Annotated[bool, typer.Option("--all", help="All that were not replayed yet.")] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were replayed before.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Replay; without it, only show what would be.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters once more to the topic where they were read, all of them or none.

    Without `--yes` nothing is sent: what would be is shown. Mend first what the reason says, or the
    message becomes a dead letter again. Letters named one by one are refused if one of them was
    replayed before; options pass over those.

    The exit code is 0 when all were replayed, or nothing was to be; 1 when nothing was, and why.

    Example: `kedge deadletters replay --reason unknown_release --since 2h --yes`
    """
    import json

    from kedge.deadletters import place_of
    from kedge.deadletters import replay as replay_letters
    from kedge.errors import KedgeError

    filtered = every or any(option is not None for option in (reason, service, since))
    if bool(places) == filtered:
        raise KedgeError(
            "say which letters: either by place, as `kedge deadletters list` shows it, or by "
            "--reason, --service and --since, or --all"
        )
    named = list(dict.fromkeys(place_of(place) for place in places or ()))
    kafka, settings, letters = _opened()
    replayed = letters.replayed()
    found = (
        letters.each(named)
        if named
        else (
            letter
            for letter in letters.find(_selection(reason, service, since))
            if again or letter.place not in replayed
        )
    )
    # What is kept is what is shown: the bytes are read again as they are sent.
    rows = [_row(letter, replayed) for letter in found]
    chosen = [place_of(row["place"]) for row in rows]
    if yes and chosen:
        with progress("replaying", len(chosen)) as sent:
            replay_letters(kafka, settings, chosen, again=again, on_sent=lambda _: sent(1))
    done = yes and bool(chosen)
    if as_json:
        typer.echo(json.dumps({"replayed": done, "letters": rows}, indent=2))
        return
    if not chosen:
        typer.echo("There is nothing to replay.")
        return
    names = ("place", "service", "reason", "topic", "partition", "rows", "bytes")
    print_table(names, ([row[name] for name in names] for row in rows[:_DRY]))
    if len(rows) > _DRY:
        typer.echo(f"… and {len(rows) - _DRY} more.")
    if done:
        typer.echo(f"Replayed {len(rows)} messages.")
    else:
        typer.echo(f"Nothing was sent: `--yes` replays these {len(rows)} messages.")


_SUMMARY = ("service", "reason", "messages", "predictions", "replayed")
_LISTED = ("place", "given up", "service", "reason", "rows", "replayed", "detail")
_DUMPED = 256
"""Bytes of the message that are shown."""
_DRY = 50
"""Letters that a replay names."""


def _opened() -> tuple[Options, Settings, Letters]:
    from kedge.broker import connection
    from kedge.contracts import Topics
    from kedge.deadletters import Letters
    from kedge.settings import Settings

    settings = Settings()
    kafka = connection(settings)
    return kafka, settings, Letters(kafka, Topics(settings.topic_prefix))


def _selection(reason: str | None, service: str | None, since: str | None) -> Selection:
    from kedge.cli.times import moment
    from kedge.deadletters import Selection

    return Selection(service, reason, None if since is None else moment(since))


def _row(letter: Letter, replayed: dict[Place, int]) -> dict[str, Any]:
    """A letter but for the bytes, as data."""
    message = letter.message
    return {
        "place": str(letter.place),
        "at": letter.at,
        "service": letter.service,
        "reason": letter.reason,
        "detail": letter.detail,
        "rows": letter.rows,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "bytes": letter.left_out or letter.size,
        "replayed_at": replayed.get(letter.place),
    }


def _cells(letter: Letter, replayed: dict[Place, int]) -> tuple[object, ...]:
    return (
        letter.place,
        utc(letter.at),
        letter.service,
        letter.reason,
        letter.rows,
        "yes" if letter.place in replayed else "",
        letter.detail,
    )
