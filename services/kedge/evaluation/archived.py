"""Predictions as the archive's files bring them: each file is read once, and only if it is young.

An evaluator looks for news of the models whose outcomes it has seen, of the days that are within
the horizon. Folders that have not changed are not listed again. A compacted file is read only if it
has rows that no file before had: after a start, or when their own files were gone too soon.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kedge.archive.layout import Raw, component, model_folder, parsed
from kedge.archive.snapshots import FOLDER as SNAPSHOTS
from kedge.archive.snapshots import Catalog
from kedge.archive.store import Store
from kedge.evaluation.runs import Rows
from kedge.evaluation.segmenting import Segmenting
from kedge.evaluation.shelf import BOOLEAN, NUMBER, PREDICTION, TEXT, Found
from kedge.evaluation.words import Words

_AT_ONCE = 200_000
"""Rows of a file that are held: a compacted one may have a whole day."""
_COLUMNS = ["id", "environment", "release", "event_time", "outputs"]
_UNSETTLED = 2_000_000_000
"""A folder that changed less than so many nanoseconds ago may change again within one tick of the
clock that its time is taken from."""

Mask = NDArray[np.bool_]
Outputs = Callable[[str, int], str | None]
"""Of a model and a release, the output that is compared; None where the release is unknown."""


@dataclass(slots=True)
class _Seen:
    """What was read of a model.

    Attributes:
        looked: when its folders were looked at last, in nanoseconds since 1970.
        stamps: of its folders, when all that they had was read.
        offsets: by folder of a date, then by topic and partition: the last offset that was read.
    """

    looked: int = 0
    stamps: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)


class ArchivedPredictions:
    """What the archive has of predictions, as it grows.

    Args:
        store: the archive.
        outputs: which output of a release is compared.
        segmenting: which segments a prediction is in.
        words: what gives texts their numbers.
    """

    def __init__(
        self, store: Store, outputs: Outputs, segmenting: Segmenting, words: Words
    ) -> None:
        self._store, self._outputs = store, outputs
        self._segmenting, self._words = segmenting, words
        self._catalog = Catalog(store)
        self._seen: dict[str, _Seen] = {}

    def news(self, floors: Mapping[str, int], now: int) -> Iterator[Found]:
        """What came since the last call, a bounded number of rows at a time.

        Args:
            floors: for each model that is asked about, the event time before which nothing is
                wanted, in microseconds since 1970 UTC.
            now: the clock, in nanoseconds since 1970 UTC.
        """
        for model, floor in sorted(floors.items()):
            seen, oldest = self._seen.setdefault(model, _Seen()), _day(floor)
            if now - seen.looked < self._store.poll * 1e9:
                continue
            stamps = self._stamps(model, oldest)
            if stamps != seen.stamps:
                yield from self._unread(model, oldest, seen)
                settled = now - max(stamps.values(), default=0) > _UNSETTLED
                seen.stamps = stamps if settled else {}
            seen.looked = now

    def forget(self, floors: Mapping[str, int]) -> None:
        """Forget about the folders of days before these."""
        self._seen = {model: seen for model, seen in self._seen.items() if model in floors}
        for model, seen in self._seen.items():
            oldest = (
                f"{model_folder('predictions', model)}/{component('date', _day(floors[model]))}"
            )
            seen.offsets = {day: kept for day, kept in seen.offsets.items() if day >= oldest}

    def _stamps(self, model: str, oldest: str) -> dict[str, int]:
        """When the folders changed that say what there is to read."""
        folder = model_folder("predictions", model)
        # `date=other` has the days that no log is of, and comes behind all others.
        days = [d for d in self._store.names(folder) if d >= component("date", oldest)]
        folders = [f"{SNAPSHOTS}/{folder}", *(f"{folder}/{day}" for day in days)]
        return {each: self._store.changed(each) for each in folders}

    def _unread(self, model: str, oldest: str, seen: _Seen) -> Iterator[Found]:
        listing = self._catalog.listed("predictions", model=model, since=oldest)
        days = listing.snapshots[model_folder("predictions", model)].days
        by_day: dict[str, list[str]] = {}
        for path in listing.files:
            by_day.setdefault(path.rpartition("/")[0], []).append(path)
        for day, paths in by_day.items():
            read = seen.offsets.setdefault(day, {})
            compacted = days.get(day.rpartition("date=")[2])
            covered = {} if compacted is None else compacted.covered
            fresh = any(read.get(source, -1) < last for source, last in covered.items())
            # In the order of the log: of duplicates, the first counts.
            for path in paths:
                origin = parsed(path.rpartition("/")[2])
                if isinstance(origin, Raw):
                    if origin.last > read.get(origin.source, -1):
                        yield from self._read(path, model)
                        read[origin.source] = origin.last
                elif fresh:
                    yield from self._read(path, model)
            if fresh:
                read.update({k: max(last, read.get(k, -1)) for k, last in covered.items()})

    def _read(self, path: str, model: str) -> Iterator[Found]:
        with self._store.open(path) as file:
            yield from self._predictions(file, model)

    def _predictions(self, file: BinaryIO, model: str) -> Iterator[Found]:
        features = self._segmenting.features(model)
        wanted = [*_COLUMNS, *(f"features.{each}" for each in features)]
        for rows in pq.ParquetFile(file).iter_batches(_AT_ONCE, columns=wanted):
            yield from self._found(rows, model, features)

    def _found(self, rows: pa.RecordBatch, model: str, features: list[str]) -> Iterator[Found]:
        """The rows of each environment."""
        ids = rows.column("id").cast(pa.string())
        environments = rows.column("environment").dictionary_encode()
        releases = rows.column("release").to_numpy()
        found = np.zeros(rows.num_rows, PREDICTION)
        found["release"] = releases
        found["event_time"] = rows.column("event_time").view(pa.int64()).to_numpy()
        compared = np.zeros(rows.num_rows, bool)
        for release in np.unique(releases).tolist():
            output = self._outputs(model, release)
            if output is not None:
                mine = releases == release
                compared |= mine
                self._put_output(found, rows.column("outputs"), output, mine)
        segments: dict[int, list[str]] = {}
        if features:
            named, numbers = environments.to_pylist(), releases.tolist()
            segments = self._segments(model, named, numbers, rows, features)
        for row, names in segments.items():
            found["segments"][row] = self._words.number(json.dumps(names))
        codes = environments.indices.to_numpy()
        for code, environment in enumerate(environments.dictionary.to_pylist()):
            which = np.flatnonzero((codes == code) & compared)
            everything = Found(model, environment, ids, found)
            yield everything if len(which) == len(ids) else everything.take(which)

    def _put_output(self, found: Rows, outputs: pa.Array, name: str, mine: Mask) -> None:
        """The output `name` of the rows `mine`; none where there is none, or a vector."""
        if not pa.types.is_struct(outputs.type) or outputs.type.get_field_index(name) < 0:
            return
        column = pc.struct_field(outputs, name)
        mine = mine & column.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_string(column.type):
            encoded = column.dictionary_encode()
            numbers = [self._words.number(word) for word in encoded.dictionary.to_pylist()]
            codes = encoded.indices.fill_null(0).to_numpy()
            kind, values = TEXT, np.array([*numbers, 0]).take(codes)
        elif pa.types.is_boolean(column.type):
            kind, values = (
                BOOLEAN,
                column.fill_null(fill_value=False).to_numpy(zero_copy_only=False),
            )
        elif pa.types.is_floating(column.type):
            kind, values = NUMBER, column.fill_null(np.nan).to_numpy(zero_copy_only=False)
        else:
            return
        found["value"][mine] = values[mine]
        found["kind"][mine] = kind

    def _segments(
        self,
        model: str,
        environments: list[str],
        releases: list[int],
        rows: pa.RecordBatch,
        features: list[str],
    ) -> dict[int, list[str]]:
        """The segments of the rows that are in any."""
        found: dict[int, list[str]] = {}
        if "features" not in rows.schema.names:
            return found  # the file has none of them
        values = rows.column("features")
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
    """The values of one feature; None where there is none, or a vector."""
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
