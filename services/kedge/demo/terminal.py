"""The story on a terminal: progress while it runs, a summary at its end."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from kedge.archive import connect
from kedge.demo.stage import Stage
from kedge.demo.story import Audience, Outcome
from kedge.demo.traffic import Answer

_SECOND = 1_000_000

QUERY = (
    "SELECT time_bucket(INTERVAL 7 DAY, event_time, TIMESTAMPTZ '1970-01-01') AS week, release, "
    "count(*) AS predictions, "
    "round(avg((features.dep_delay IS NULL)::INT), 3) AS dep_delay_missing, "
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
        day = datetime.fromtimestamp(answer.last_departure / _SECOND, UTC)
        self._progress.update(
            self._task,
            advance=answer.rows,
            description=f"{day:%d %b %Y}, release {answer.release}",
        )


def report(outcome: Outcome) -> dict[str, Any]:
    """The summary as `--json` writes it. Moments are seconds since 1970 UTC."""
    fault, rollback, recovery = outcome.fault, outcome.rollback, outcome.recovery
    swapped_back, detection = outcome.swapped_back, outcome.detection
    return {
        "predictions_sent": outcome.predictions_sent,
        "predictions_profiled": outcome.sums.profiled,
        "predictions_archived": outcome.sums.archived,
        "dead_lettered": outcome.sums.dead_lettered,
        "outcomes_sent": outcome.outcomes_sent,
        "outcomes_archived": outcome.sums.outcomes_archived,
        "false_rollbacks": outcome.false_rollbacks,
        "windows_to_detection": outcome.windows_to_detection,
        "seconds_fault_to_rollback": outcome.seconds_fault_to_rollback,
        "release_before": None if rollback is None else rollback.from_release,
        "release_after": None if rollback is None else rollback.to_release,
        "webhooks_delivered": len(outcome.deliveries),
        "fault_at": None if fault is None else fault.received_at,
        "detected_at": None if detection is None else detection.received_at,
        "rolled_back_at": None if rollback is None else rollback.moved_at / _SECOND,
        "served_again_at": None if swapped_back is None else swapped_back.received_at,
        "recovered_at": None if recovery is None else recovery.received_at,
        "shortcomings": outcome.shortcomings(),
    }


def summarise(console: Console, outcome: Outcome, stage: Stage) -> None:
    """The sums, the moments and the SQL that shows it."""
    told = report(outcome)
    sums = Table("predictions", "", title="Nothing is lost", title_justify="left")
    for name in ("sent", "profiled", "archived"):
        sums.add_row(name, f"{told[f'predictions_{name}']:,}")
    sums.add_row("dead-lettered", f"{told['dead_lettered']:,}")
    sums.add_row(
        "outcomes sent / archived", _pair(told["outcomes_sent"], told["outcomes_archived"])
    )
    console.print(sums)
    console.print(_moments(told, outcome))
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


def _moments(told: dict[str, Any], outcome: Outcome) -> Table:
    table = Table("what", "clock", "after the fault", title="One rollback", title_justify="left")
    fault = told["fault_at"]
    for name, key in (
        ("fault: release 2 answers", "fault_at"),
        ("rollback: the alias moves", "rolled_back_at"),
        ("detection: the webhook arrives", "detected_at"),
        ("release 1 answers again", "served_again_at"),
        ("recovery: the webhook arrives", "recovered_at"),
    ):
        moment = told[key]
        if moment is None or fault is None:
            table.add_row(name, "never", "")
            continue
        clock = datetime.fromtimestamp(moment, UTC)
        table.add_row(name, f"{clock:%H:%M:%S}", f"{moment - fault:.1f} s")
    windows = outcome.windows_to_detection
    table.caption = f"Seen in window {windows} from the fault's." if windows else None
    return table


def _show(console: Console, stage: Stage) -> None:
    """The weeks around the fault, by the very query that is printed."""
    with connect(stage.settings.archive_path) as database:
        rows = database.execute(QUERY).fetchall()
    names = ("week", "release", "predictions", "dep_delay missing", "mean output", "really late")
    table = Table(*names, title="What the archive says", title_justify="left")
    faulty = [index for index, row in enumerate(rows) if row[1] != 1]
    around = range(min(faulty, default=0) - 2, max(faulty, default=0) + 3)
    for index, (week, *numbers) in enumerate(rows):
        if index in around:
            table.add_row(
                f"{week:%d %b}", *map(str, numbers), style="red" if numbers[0] != 1 else ""
            )
    console.print(table)
