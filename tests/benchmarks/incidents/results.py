"""Judged stories as JSON lines, appended as they come, so that a broken run goes on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.incidents.judge import Judged


class Results:
    """By seed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.found: dict[int, Judged] = {}
        if not path.exists():
            return
        whole = path.read_bytes()
        # A run that was killed may have left half a line.
        complete = whole[: whole.rfind(b"\n") + 1]
        if complete != whole:
            path.write_bytes(complete)
        for line in complete.decode().splitlines():
            record = json.loads(line)
            seed = record.pop("seed")
            self.found[seed] = Judged(**record)

    def add(self, seed: int, judged: Judged) -> None:
        self.found[seed] = judged
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"seed": seed, **asdict(judged)}) + "\n")
