"""The story on a terminal: progress while it runs, a summary at its end."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kedge.archive import connect
from kedge.demo.chapters import SECOND
from kedge.demo.outcome import Fixed, Outcome
from kedge.demo.report import report
from kedge.demo.stage import Stage
from kedge.demo.story import Audience
from kedge.demo.traffic import Answer

QUERY = (
    "SELECT time_bucket(INTERVAL 7 DAY, event_time, TIMESTAMPTZ '1970-01-01') AS week, release, "
    "count(*) AS predictions, "
    "round(avg((features.dep_delay IS NULL)::INT), 3) AS dep_delay_absent, "
    "round(avg((features.temp IS NULL)::INT), 3) AS temp_null, "
    "round(avg(list_contains(imputed, 'temp')::INT), 3) AS temp_filled_in, "
    "round(avg(outputs.output), 3) AS mean_output, "
    "round(avg(truth), 3) AS really_late "
    "FROM scored GROUP BY ALL ORDER BY ALL"
)


class Terminal(Audience):
    """Tells the story line by line, above a bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("flights"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("getting ready", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def says(self, line: str) -> None:
        self._progress.console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim]  {escape(line)}")

    def expects(self, flights: int) -> None:
        self._progress.update(self._task, total=flights)

    def hears(self, answer: Answer) -> None:
        day = datetime.fromtimestamp(answer.last_departure / SECOND, UTC)
        self._progress.update(
            self._task,
            advance=answer.rows,
            description=f"{day:%d %b %Y}, release {answer.release}",
        )


def summarise(console: Console, outcome: Outcome, stage: Stage) -> None:
    """The sums, the incidents and the SQL that shows it."""
    told = report(outcome)
    sums = Table("predictions", "", title="Nothing is lost", title_justify="left")
    for name in ("sent", "profiled", "archived"):
        sums.add_row(name, f"{told[f'predictions_{name}']:,}")
    sums.add_row("dead-lettered", f"{told['dead_lettered']:,}")
    sums.add_row(
        "outcomes sent / archived", _pair(told["outcomes_sent"], told["outcomes_archived"])
    )
    console.print(sums)
    console.print(_incidents(outcome))
    if outcome.fix is not None:
        console.print(_fix(outcome.fix))
    console.print(f"Webhooks delivered, signatures checked: {told['webhooks_delivered']}")
    _show(console, stage)
    home = shlex.quote(str(stage.settings.home))
    console.print("\nAsk the archive yourself:", style="bold")
    console.print(f'KEDGE_HOME={home} {_command()} sql "{QUERY}"', soft_wrap=True, markup=False)


def _command() -> str:
    """How this very command was called: it need not be on the path."""
    script = Path(sys.argv[0])
    if script.stem == "__main__":
        return f"{shlex.quote(sys.executable)} -m kedge"
    here = Path.cwd()
    known = script.relative_to(here) if script.is_relative_to(here) else script
    return shlex.quote(str(known))


def _pair(sent: int, archived: int) -> str:
    return f"{sent:,} / {archived:,}"


def _incidents(outcome: Outcome) -> Table:
    table = Table(
        *("incident", "blame", "seen in window", "decision", "release", "fault to rollback"),
        title="Four kinds of incident",
        title_justify="left",
    )
    for incident in outcome.incidents:
        windows, seconds = incident.windows_to_detection, incident.seconds_fault_to_rollback
        back = incident.rollback
        table.add_row(
            incident.chapter.name,
            ", ".join(incident.verdicts) or "none",
            "never" if windows is None else str(windows),
            ", ".join(incident.decisions) or "none",
            "stays" if back is None else f"{back.from_release} → {back.to_release}",
            "" if seconds is None else f"{seconds:.1f} s",
        )
    table.caption = f"Rollbacks that should not have been: {outcome.false_rollbacks}"
    return table


def _fix(fix: Fixed) -> str:
    same = "the same model" if fix.same_model else "another model"
    return (
        f"The fix: release {fix.release}, {same} with new code. Models stored: "
        f"{fix.stored_before:,} bytes before, {fix.stored_after:,} after; code: "
        f"{fix.code_bytes:,} bytes more."
    )


def _show(console: Console, stage: Stage) -> None:
    """The weeks around every swap, by the very query that is printed."""
    with connect(stage.settings.archive_url) as database:
        rows = database.execute(QUERY).fetchall()
    names = (
        *("week", "release", "predictions", "dep_delay absent", "temp null", "temp filled in"),
        *("mean output", "really late"),
    )
    table = Table(*names, title="What the archive says", title_justify="left")
    around = {
        index + beside
        for index, (before, after) in enumerate(pairwise(rows))
        if before[1] != after[1]
        for beside in (0, 1)
    }
    for index, (week, *numbers) in enumerate(rows):
        if index in around:
            table.add_row(f"{week:%d %b}", *map(str, numbers))
    console.print(table)
