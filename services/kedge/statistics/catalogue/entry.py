"""One line of the catalogue, and how the catalogue is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

SHARE = "a share: 0.1 for 10 %"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One statistic.

    Attributes:
        name: as in the `statistic` contract and in policies.
        group: what it is about, as a heading.
        of: whether there is one of the window, or one of each feature and output.
        low: smallest value that it can have.
        high: largest value that it can have.
        unit: what a value is, as an error about a threshold would say it.
        meaning: what it tells, in a sentence.
        formula: how it is computed.
        conventional: thresholds of the field; empty where it has none.
        source: where the formula or the thresholds come from; empty for plain counting.
        part: which part of a window's statistics it is in; see the `statistic` contract.
        segmented: whether a rule may look at a segment of the window alone.
        kinds: what `kind` of a rule may be: nothing by default, None for any text.
        usual_kind: which kind a rule without one looks at; None for all together.
        clock: which time its windows are of, as in the `statistic` contract.
        is_count: whether it counts all there is, and so needs no rows to be believed.
    """

    name: str
    group: str
    of: Literal["window", "column"]
    low: float
    high: float
    unit: str
    meaning: str
    formula: str
    conventional: str = ""
    source: str = ""
    part: Literal["predictions", "performance"] = "predictions"
    segmented: bool = False
    kinds: tuple[str, ...] | None = ()
    usual_kind: str | None = None
    clock: Literal["event", "broker"] = "event"
    is_count: bool = False


def as_markdown(entries: Iterable[Entry]) -> Iterator[str]:
    """The lines of a reference for people: a table for each group."""
    for group, members in groupby(entries, key=lambda entry: entry.group):
        yield from (f"## {group}", "")
        yield "| statistic | of | meaning | formula | value | conventional thresholds | source |"
        yield "|---|---|---|---|---|---|---|"
        for entry in members:
            of = "feature, output" if entry.of == "column" else "window"
            of += ", segment" if entry.segmented else ""
            of += " of the broker's clock" if entry.clock == "broker" else ""
            # Magnitudes are no cells.
            formula = entry.formula.replace("|", "\\|")
            cells = (f"`{entry.name}`", of, entry.meaning, formula, entry.unit)
            yield f"| {' | '.join((*cells, entry.conventional or '–', entry.source or '–'))} |"
        yield ""
