"""Tables and goals from what was measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.decisions.faults import HARMLESS, IN_OUTCOMES, Family
from benchmarks.decisions.measure import HORIZON, Clean, Faulted, median
from benchmarks.decisions.methods import KEDGE, METHODS, PLOTTED, RULES
from benchmarks.decisions.plan import MATTER, STREAMS
from benchmarks.decisions.results import Results

COLUMNS = tuple(name for name in METHODS if name not in PLOTTED)


@dataclass(frozen=True)
class Table:
    """Text by row and column, for a terminal and for Markdown."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        lines = [f"### {self.title}", "", _line(self.header), _line(["---"] * len(self.header))]
        return "\n".join([*lines, *map(_line, self.rows), ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


class Report:
    """What the tables are read from: of each stream and method the cells of one seed."""

    def __init__(self, results: Results, seed: int) -> None:
        self.clean: dict[tuple[str, str], Clean] = {}
        self.faulted: dict[tuple[str, Family, float, str], Faulted] = {}
        # Where a cell was measured in more than one size, the largest counts.
        for cell in sorted(results.cells(), key=lambda cell: cell.amount):
            if cell.seed != seed:
                continue
            found = results[cell]
            if isinstance(found, Clean):
                self.clean[cell.stream, cell.method] = found
            else:
                self.faulted[cell.stream, cell.family, cell.size, cell.method] = found
        self.streams = [name for name in STREAMS if (name, KEDGE) in self.clean]
        self.faults = list(dict.fromkeys(key[1:3] for key in self.faulted))

    def best_rule(
        self, stream: str, family: Family, size: float, rate: float
    ) -> tuple[str, list[float]] | None:
        """The rule with the least median delay at `rate` alarms a clean window, and its delays."""
        best: tuple[str, list[float]] | None = None
        for name in RULES:
            clean = self.clean.get((stream, name))
            faulted = self.faulted.get((stream, family, size, name))
            if clean is None or faulted is None:
                continue
            delays = faulted.delays(clean.threshold(rate * clean.windows))
            if best is None or _order(delays) < _order(best[1]):
                best = name, delays
        return best

    def rate(self, stream: str, method: str = KEDGE) -> float:
        """Alarms a clean window, measured."""
        clean = self.clean[stream, method]
        return clean.alarms / clean.windows

    def tables(self) -> Iterator[Table]:
        yield self._false_alarms()
        for stream in self.streams:
            if any(key[0] == stream and key[3] == KEDGE for key in self.faulted):
                yield self._delays(stream)
        yield self._costs()

    def _false_alarms(self) -> Table:
        rows = []
        for stream in self.streams:
            kedge = self.clean[stream, KEDGE]
            length = f"{kedge.windows / kedge.alarms:,.0f}" if kedge.alarms else "none"
            cells = [
                f"{1e4 * self.rate(stream, name):,.0f}" if (stream, name) in self.clean else ""
                for name in COLUMNS
            ]
            rows.append([stream, f"{kedge.windows:,}", length, *cells])
        return Table(
            "False alarms per 10,000 clean windows, each method at its own threshold",
            ["stream", "windows", "Kedge: windows to one", *COLUMNS],
            rows,
        )

    def _delays(self, stream: str) -> Table:
        rows = []
        for family, size in self.faults:
            if (stream, family, size, KEDGE) not in self.faulted:
                continue
            cells = []
            for name in COLUMNS:
                faulted = self.faulted.get((stream, family, size, name))
                unseen = family in IN_OUTCOMES and not getattr(
                    METHODS[name], "reads_outcomes", False
                )
                if faulted is None or (unseen and name != "always fire"):
                    cells.append("" if faulted is None else "blind")
                else:
                    cells.append(shown(faulted.delays(METHODS[name].threshold)))
            oracle = []
            for rate in (self.rate(stream), 1 / METHODS[KEDGE].threshold):
                best = self.best_rule(stream, family, size, rate)
                if best is None:
                    oracle.append("")
                elif family in IN_OUTCOMES:
                    oracle.append("blind")
                else:
                    oracle.append(f"{shown(best[1])} {best[0].split()[0]}")
            rows.append([f"{family} {size:g}", cells[0], *oracle, *cells[1:]])
        return _without_empty(
            Table(
                f"Delay on {stream}, {STREAMS[stream].rows} rows a window",
                ["fault", COLUMNS[0], "best, same rate", "best, 1 in 1000", *COLUMNS[1:]],
                rows,
            )
        )

    def _costs(self) -> Table:
        rows = []
        for stream in self.streams:
            cells = [
                f"{each.seconds / each.windows * 1e6:,.0f}" if each else ""
                for each in (self.clean.get((stream, name)) for name in COLUMNS)
            ]
            rows.append([stream, *cells])
        return Table("Processor time, µs a window", ["stream", *COLUMNS], rows)

    def failures(self) -> Iterator[str]:
        """The goals that are not met, each in a line."""
        for stream in self.streams:
            clean = self.clean[stream, KEDGE]
            configured = METHODS[KEDGE].threshold
            if clean.alarms * configured > clean.windows:
                yield (
                    f"{stream}: {clean.alarms} false alarms in {clean.windows} clean windows, "
                    f"{clean.windows / configured:.4g} allowed"
                )
            for family, size in self.faults:
                faulted = self.faulted.get((stream, family, size, KEDGE))
                if faulted is None or family in IN_OUTCOMES:
                    continue
                yield from self._failures(stream, family, size, faulted.delays(configured))

    def _failures(
        self, stream: str, family: Family, size: float, delays: list[float]
    ) -> Iterator[str]:
        where = f"{stream}, {family} {size:g}"
        missed = sum(map(math.isinf, delays)) / len(delays)
        if family in HARMLESS:
            # At the configured run length, so many of the runs may have an alarm by chance.
            allowed = 1 - (1 - 1 / METHODS[KEDGE].threshold) ** HORIZON
            if 1 - missed > allowed:
                yield f"{where}: alarms in {1 - missed:.0%} of the runs, {allowed:.0%} allowed"
            return
        if MATTER.get(family) == size and missed > 0.01:
            yield f"{where}: missed in {missed:.0%} of the runs"
        best = self.best_rule(stream, family, size, self.rate(stream))
        if best is None:
            return
        mine, theirs = median(delays), median(best[1])
        if mine > theirs + 1:
            yield f"{where}: delay {mine:g}, the best rule's ({best[0]}) {theirs:g}"
        elif theirs + 1 >= 4 and mine + 1 > (theirs + 1) / 2:
            yield (
                f"{where}: delay {mine:g}, more than half of the best rule's ({best[0]}) {theirs:g}"
            )


def _without_empty(table: Table) -> Table:
    """Columns in which there is nothing left out."""
    kept = [i for i in range(len(table.header)) if any(row[i] for row in table.rows)]
    return Table(
        table.title, [table.header[i] for i in kept], [[row[i] for i in kept] for row in table.rows]
    )


def shown(delays: Sequence[float]) -> str:
    """The median, and in brackets the share of runs in which nothing was noticed."""
    missed = sum(map(math.isinf, delays)) / len(delays)
    if missed == 1:
        return "never"
    middle = median(delays)
    text = f">{HORIZON - 1}" if math.isinf(middle) else f"{middle:g}"
    return f"{text} ({missed:.0%})" if missed else text


def _order(delays: Sequence[float]) -> tuple[float, int, float]:
    """Best first: by the median, the runs missed, and the mean of the others."""
    found = [delay for delay in delays if not math.isinf(delay)]
    missed = len(delays) - len(found)
    return median(delays), missed, sum(found) / max(len(found), 1)
