"""Predictions as the archive's files bring them: each file is read once, and only if it is young.

An evaluator looks for news in the folders of the models whose outcomes it has seen, of the days
that are within the horizon. A folder that has not changed is not listed again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kedge.archive.layout import component
from kedge.evaluation.segmenting import Segmenting
from kedge.evaluation.shelf import Named
from kedge.evaluation.truths import Prediction, name_of

_COLUMNS = ["id", "environment", "release", "event_time", "outputs"]
_UNSETTLED = 2_000_000_000
"""A folder that changed less than so many nanoseconds ago may change again within one tick of the
clock that its time is taken from."""

Outputs = Callable[[str, int], str | None]
"""Of a model and a release, the output that is compared; None where the release is unknown."""


@dataclass(slots=True)
class _Folder:
    changed: int = 0
    read: set[str] = field(default_factory=set)


class ArchivedPredictions:
    """What the archive has of predictions, as it grows.

    Args:
        root: the archive.
        outputs: which output of a release is compared.
        segmenting: which segments a prediction is in.
    """

    def __init__(self, root: Path, outputs: Outputs, segmenting: Segmenting) -> None:
        self._root, self._outputs = root / "predictions", outputs
        self._segmenting = segmenting
        self._folders: dict[Path, _Folder] = {}

    def news(self, floors: Mapping[str, int], now: int) -> Iterator[list[Named]]:
        """What came since the last call, a file at a time.

        Args:
            floors: for each model that is asked about, the event time before which nothing is
                wanted, in microseconds since 1970 UTC.
            now: the clock, in nanoseconds since 1970 UTC.
        """
        for model, floor in sorted(floors.items()):
            for folder in self._due(model, floor):
                yield from self._unread(folder, model, now)

    def forget(self, floors: Mapping[str, int]) -> None:
        """Forget about the folders of days before these."""
        wanted = {f for model, floor in floors.items() for f in self._due(model, floor)}
        self._folders = {path: kept for path, kept in self._folders.items() if path in wanted}

    def _due(self, model: str, floor: int) -> list[Path]:
        """The folders of a model with event times from `floor` on."""
        mine = self._root / component("model", model)
        oldest = component("date", _day(floor))
        try:
            # `date=other` has the days that no log is of, and comes behind all others.
            return sorted(path for path in mine.iterdir() if path.name >= oldest)
        except FileNotFoundError:
            return []

    def _unread(self, path: Path, model: str, now: int) -> Iterator[list[Named]]:
        folder = self._folders.setdefault(path, _Folder())
        changed = path.stat().st_mtime_ns
        if changed == folder.changed:
            return
        # In the order of the log: of duplicates, the first counts.
        for file in sorted(path.glob("*.parquet")):
            if file.name not in folder.read:
                yield list(self._predictions(file, model))
                folder.read.add(file.name)
        folder.changed = changed if now - changed > _UNSETTLED else 0

    def _predictions(self, file: Path, model: str) -> Iterator[Named]:
        features = self._segmenting.features(model)
        table = pq.ParquetFile(file).read(columns=[*_COLUMNS, *(f"features.{f}" for f in features)])
        releases = table["release"].to_pylist()
        environments = table["environment"].to_pylist()
        outputs = table["outputs"].combine_chunks()
        # A column for each output that a release in this file is compared by.
        compared = {release: self._outputs(model, release) for release in set(releases)}
        values = {
            release: _column(outputs, name)
            for release, name in compared.items()
            if name is not None
        }
        segments = self._segments(model, environments, releases, table, features)
        rows = zip(
            table["id"].to_pylist(),
            environments,
            releases,
            table["event_time"].cast(pa.int64()).to_pylist(),
            strict=True,
        )
        for row, (name, environment, release, event_time) in enumerate(rows):
            if release in values:
                output = values[release][row]
                prediction = Prediction(release, event_time, output, tuple(segments.get(row, ())))
                yield name_of(model, environment, name), prediction

    def _segments(
        self,
        model: str,
        environments: list[str],
        releases: list[int],
        table: pa.Table,
        features: list[str],
    ) -> dict[int, list[str]]:
        """The segments of the rows that are in any."""
        found: dict[int, list[str]] = {}
        if "features" not in table.column_names:
            return found  # the file has none of them
        values = table["features"].combine_chunks()
        origins = list(zip(environments, releases, strict=True))
        for feature in features:
            column = _column(values, feature)
            of = {
                origin: self._segmenting.of_column(model, *origin, feature)
                for origin in set(origins)
            }
            for row, (origin, value) in enumerate(zip(origins, column, strict=True)):
                segments = of[origin]
                if segments is not None and value is not None:
                    found.setdefault(row, []).extend(segments(value))
        return found


def _column(values: pa.Array, name: str) -> list[Any]:
    """The values of one output or feature; None where there is none, or a vector."""
    if pa.types.is_struct(values.type) and values.type.get_field_index(name) >= 0:
        column = values.field(name)
        if not pa.types.is_list(column.type):
            return list(column.to_pylist())
    return [None] * len(values)


def _day(micros: int) -> str:
    """The UTC date of a time; of one that no calendar has, the first of all."""
    try:
        return datetime.fromtimestamp(micros / 1e6, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def earliest(floors: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """Of the floors of a model in several environments and partitions, the lowest."""
    lowest: dict[str, int] = {}
    for model, _environment, floor in floors:
        lowest[model] = min(floor, lowest.get(model, floor))
    return lowest
