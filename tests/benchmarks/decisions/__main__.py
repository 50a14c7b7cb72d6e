"""How good drift decisions are: `make bench-decisions`, or `python -m benchmarks.decisions`.

Measures what is not in the results file yet, prints tables and the goals that are not met, and
draws the delays against the false alarms. See docs/decision-benchmark.md.
"""

from __future__ import annotations

import argparse
from itertools import groupby
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Shown

from benchmarks.decisions.measure import PASTS, clean, faulted, reads_rows
from benchmarks.decisions.methods import METHODS
from benchmarks.decisions.plan import STREAMS, Cell, cells
from benchmarks.decisions.report import Report
from benchmarks.decisions.results import Results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path(".benchmarks/decisions.jsonl"))
    parser.add_argument("--windows", type=int, default=100_000, help="clean windows a stream")
    parser.add_argument("--runs", type=int, default=100, help="runs with each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=list(STREAMS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument(
        "--kinds", nargs="+", choices=("clean", "fault"), default=["clean", "fault"]
    )
    parser.add_argument("--markdown", type=Path, help="write the tables there too")
    parser.add_argument("--plot", type=Path, help="an .svg, .png or .pdf to draw")
    asked = parser.parse_args()

    console = Console()
    results = Results(asked.results)
    planned = cells(
        asked.streams, asked.methods, windows=asked.windows, runs=asked.runs, seed=asked.seed
    )
    measure(
        [cell for cell in planned if cell.kind in asked.kinds and cell not in results],
        results,
        console,
    )
    report = Report(results, asked.seed)
    tables = list(report.tables())
    for table in tables:
        shown = Shown(title=table.title, title_justify="left")
        for column in table.header:
            shown.add_column(column, overflow="fold", min_width=4)
        for row in table.rows:
            shown.add_row(*row)
        console.print(shown)
    failures = list(report.failures())
    console.print(f"{len(failures)} goals not met", *failures, sep="\n", highlight=False)
    if asked.markdown:
        lines = [*(table.markdown() for table in tables), "### Goals not met", ""]
        lines += [f"- {failure}" for failure in failures] or ["None."]
        asked.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if asked.plot:
        # Drawing is wanted by hand only; the suite has no matplotlib.
        from benchmarks.decisions.plot import draw  # noqa: PLC0415 - as said

        draw(report, asked.plot)


def measure(missing: list[Cell], results: Results, console: Console) -> None:
    """Measure cells and keep them; methods that see the same windows go together."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        whole = progress.add_task("all cells", total=len(missing))
        part = progress.add_task("")
        for _, group in groupby(missing, _shared):
            together = list(group)
            cell = together[0]
            stream = STREAMS[cell.stream]
            methods = {each.method: METHODS[each.method] for each in together}
            steps = PASTS if cell.kind == "clean" else cell.amount
            what = "clean" if cell.kind == "clean" else f"{cell.family} {cell.size:g}"
            progress.reset(part, total=steps, description=f"{cell.stream}, {what}")
            tick = lambda step: progress.advance(part, step)  # noqa: E731
            if cell.kind == "clean":
                found = clean(
                    stream,
                    methods,
                    windows=cell.amount,
                    seed=cell.seed,
                    tick=tick,
                )
            else:
                found = faulted(
                    stream,
                    methods,
                    cell.family,
                    cell.size,
                    runs=cell.amount,
                    seed=cell.seed,
                    tick=tick,
                )
            for each in together:
                results.add(each, found[each.method])
            progress.advance(whole, len(together))


def _shared(cell: Cell) -> tuple:
    with_rows = reads_rows(METHODS[cell.method])
    return cell.kind, cell.stream, cell.amount, cell.family, cell.size, with_rows


if __name__ == "__main__":
    main()
