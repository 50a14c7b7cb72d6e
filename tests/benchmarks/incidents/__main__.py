"""Whose fault, and what was done: `make bench-incidents`, or `python -m benchmarks.incidents`.

Plays the stories that are not in the results file yet, and prints whose fault they were against the
verdicts, and the goals. See docs/attribution.md.
"""

from __future__ import annotations

import argparse
import os
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.incidents.judge import measured, quiet
from benchmarks.incidents.report import by_fault, confusion, goals, markdown
from benchmarks.incidents.results import Results

# The rules were tuned on the seeds from 0 on.
MEASURED_FROM = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path(".benchmarks/incidents.jsonl"))
    parser.add_argument("--first", type=int, default=MEASURED_FROM, help="seed of the first story")
    parser.add_argument("--stories", type=int, default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--markdown", type=Path, help="write the tables there too")
    asked = parser.parse_args()

    console = Console()
    results = Results(asked.results)
    seeds = range(asked.first, asked.first + asked.stories)
    missing = [seed for seed in seeds if seed not in results.found]
    # Small matrices gain nothing by threads, which get in each other's way.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Processes of their own: a fork would share open databases and threads.
    with get_context("spawn").Pool(asked.processes, quiet) as pool:
        played = pool.imap_unordered(measured, missing)
        for seed, found in track(played, "stories", total=len(missing), console=console):
            results.add(seed, found)
    stories = [results.found[seed] for seed in seeds]
    tables = [list(confusion(stories)), list(by_fault(stories))]
    reached = [
        (what, wanted, found, "yes" if met else "no") for what, wanted, found, met in goals(stories)
    ]
    tables.append([("goal", "wanted", "measured", "met"), *reached])
    for header, *rows in tables:
        shown = Table(*header)
        for row in rows:
            shown.add_row(*row)
        console.print(shown)
    wrong = [s for s in seeds if not results.found[s].is_right or results.found[s].prompt is False]
    console.print("to look into:", wrong)
    if asked.markdown:
        text = "\n\n".join(markdown(table) for table in tables)
        asked.markdown.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
