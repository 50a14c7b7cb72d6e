"""A backtest as a picture: what fires when, under both policies."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from kedge.backtest.report import Fired, Report, fired_in
from kedge.errors import KedgeError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".pdf")

_TRIED, _IN_FORCE, _MOVED = "#1f77b4", "#b0b0b0", "#d62728"
_HEIGHT = 0.6
"""Inches of a line."""


def check(file: Path) -> None:
    """See that there can be a picture, before anything takes long.

    Raises:
        KedgeError: the format is none of `FORMATS`, or the library is not installed.
    """
    if file.suffix.lower() not in FORMATS:
        raise KedgeError(f"{file} ends with none of {', '.join(FORMATS)}: name the picture so")
    if importlib.util.find_spec("matplotlib") is None:
        raise KedgeError("no picture without matplotlib: pip install 'kedge[plot]'")


def plot(report: Report, file: Path) -> None:
    """Draw a report: a line for each release and column, a bar for each incident.

    Args:
        report: what is drawn.
        file: where to.

    Raises:
        KedgeError: as `check`, or the file can't be written.
    """
    check(file)
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    in_force = [
        fired
        for each in report.trials
        for fired in fired_in(each.in_force or ())
        if each.is_reported(fired)
    ]
    lines = sorted({_line(fired) for fired in (*report.incidents, *in_force)})
    figure = Figure(figsize=(11, 1.6 + _HEIGHT * max(1, len(lines))), layout="constrained")
    axes = figure.subplots()
    end = max(each.until for each in report.trials)
    _bars(axes, lines, in_force, end=end, color=_IN_FORCE, height=0.7, label="the policy in force")
    _bars(axes, lines, report.incidents, end=end, color=_TRIED, height=0.35, label="the new policy")
    locator = AutoDateLocator(tz=UTC, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))
    for each in report.trials:
        for moved_at, release in each.moves:
            axes.axvline(_days(moved_at), color=_MOVED, linestyle=":", linewidth=1)
            axes.annotate(
                f"→ {release}",
                (_days(moved_at), 1.0),
                xycoords=("data", "axes fraction"),
                color=_MOVED,
                fontsize=8,
                verticalalignment="bottom",
            )
    axes.set_yticks(range(len(lines)), lines)
    axes.set_ylim(len(lines) - 0.5 if lines else 0.5, -0.5)
    axes.set_xlim(_days(min(each.since for each in report.trials)), _days(end))
    axes.set_xlabel("event time, UTC; dotted: the alias was moved to a release")
    if lines:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    else:
        axes.set_title("nothing fires", fontsize=10)
    try:
        # Without a date of its making, the same report is the same file.
        metadata = {"Date": None} if file.suffix.lower() == ".svg" else None
        figure.savefig(file, metadata=metadata)
    except OSError as error:
        raise KedgeError(f"{file} can't be written: {error.strerror}") from error


def _bars(
    axes: Axes,
    lines: list[str],
    incidents: Iterable[Fired],
    *,
    end: int,
    color: str,
    height: float,
    label: str,
) -> None:
    for number, fired in enumerate(incidents):
        begins, ends = _days(fired.fired_at), _days(fired.ended_at or end)
        place = lines.index(_line(fired))
        # Once in the legend.
        named = "_" if number else label
        axes.barh(place, ends - begins, height, begins, color=color, label=named)
        if fired.would.startswith("roll back") and color == _TRIED:
            axes.annotate(f" {fired.would}", (begins, place), va="center", fontsize=8)


def _line(fired: Fired) -> str:
    return f"{fired.model} {fired.environment}, release {fired.release}\n{fired.about}"


def _days(micros: int) -> float:
    """As Matplotlib counts time."""
    return micros / 86_400e6
