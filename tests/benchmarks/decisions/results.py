"""Results as JSON lines, one a cell, appended as they come, so that a broken run goes on."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

from benchmarks.decisions.measure import Clean, Faulted
from benchmarks.decisions.plan import Cell


class Results:
    """What was measured; the last line of a cell is the one that counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[Cell, Clean | Faulted] = {}
        if not path.exists():
            return
        whole = path.read_bytes()
        # A run that was killed may have left half a line.
        complete = whole[: whole.rfind(b"\n") + 1]
        if complete != whole:
            path.write_bytes(complete)
        for line in complete.decode().splitlines():
            record = json.loads(line)
            cell = Cell(**record["cell"])
            if cell.kind == "clean":
                found = Clean(**record["found"])
                found.tail = [float(score) for score in found.tail]
                self._found[cell] = found
            else:
                found = record["found"]
                runs = [[(since, float(score)) for since, score in run] for run in found["records"]]
                self._found[cell] = Faulted(runs, found["early"])

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._found

    def __getitem__(self, cell: Cell) -> Clean | Faulted:
        return self._found[cell]

    def cells(self) -> list[Cell]:
        return list(self._found)

    def add(self, cell: Cell, found: Clean | Faulted) -> None:
        self._found[cell] = found
        record = {"cell": cell.to_record(), "found": _rounded(asdict(found))}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, allow_nan=False) + "\n")


def _rounded(value):
    """Scores with nine digits; what JSON has no number for as text."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    return value
