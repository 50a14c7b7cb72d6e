"""Delay against false alarms, a panel for each fault on one stream."""

from __future__ import annotations

import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.decisions.measure import HORIZON, Clean, Faulted, median
from benchmarks.decisions.methods import KEDGE, METHODS, PLOTTED, RULES
from benchmarks.decisions.plan import PLOTTED_STREAM
from benchmarks.decisions.report import Report

_ACROSS = 4


def draw(report: Report, path: Path) -> None:
    """Rules as curves over their threshold, the other methods as points at their own.

    Across: alarms per 10,000 clean windows; a method without any stands where half an alarm would
    be. Up: windows to the alarm, so 1 is the least; what was not noticed within the horizon in
    half of the runs stands at the top.
    """
    # The same numbers give the same file.
    mpl.rcParams["svg.hashsalt"] = "decisions"
    faults = [key[1:3] for key in report.faulted if key[0] == PLOTTED_STREAM and key[3] == RULES[0]]
    down = math.ceil(len(faults) / _ACROSS)
    figure = Figure(figsize=(4 * _ACROSS, 3 * down), layout="constrained")
    panels = figure.subplots(down, _ACROSS, sharex=True, sharey=True, squeeze=False)
    for panel in panels.flat[len(faults) :]:
        panel.set_visible(False)
    for panel, (family, size) in zip(panels.flat, faults, strict=False):
        panel.set(title=f"{family} {size:g}", xscale="log", yscale="log")
        panel.grid(alpha=0.3)
        for name in METHODS:
            clean = report.clean.get((PLOTTED_STREAM, name))
            faulted = report.faulted.get((PLOTTED_STREAM, family, size, name))
            if clean is None or faulted is None or name in PLOTTED:
                continue
            if name in RULES:
                panel.plot(*_curve(clean, faulted), label=name, linewidth=1)
            elif name == KEDGE:
                points = [_point(report, family, size, each) for each in (*PLOTTED, KEDGE)]
                there = sorted((point for point in points if point), reverse=True)
                panel.plot(*zip(*there, strict=True), "ko-", label=name, zorder=3)
            else:
                point = _point(report, family, size, name)
                panel.plot(*point, "x", label=name)
    figure.supxlabel("false alarms per 10,000 clean windows")
    figure.supylabel("windows to the alarm, median")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _curve(clean: Clean, faulted: Faulted) -> tuple[list[float], list[float]]:
    rates, windows = [], []
    for alarms in sorted({0, *(int(1.3**step) for step in range(40))}):
        if alarms >= len(clean.tail):
            break
        rates.append(_rate(alarms, clean.windows))
        windows.append(_windows(faulted, clean.threshold(alarms)))
    return rates, windows


def _point(report: Report, family: str, size: float, name: str) -> tuple[float, float] | None:
    clean = report.clean.get((PLOTTED_STREAM, name))
    faulted = report.faulted.get((PLOTTED_STREAM, family, size, name))
    if clean is None or faulted is None:
        return None
    return _rate(clean.alarms, clean.windows), _windows(faulted, METHODS[name].threshold)


def _rate(alarms: int, windows: int) -> float:
    return 1e4 * max(alarms, 0.5) / windows


def _windows(faulted: Faulted, threshold: float) -> float:
    return min(median(faulted.delays(threshold)), HORIZON) + 1
