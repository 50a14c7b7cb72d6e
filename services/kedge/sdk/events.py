"""What waits in the queue: single predictions, frames of them, outcomes; and how they become rows.

A single prediction is a plain tuple, the cheapest thing to make:
`(id, event_time, features, output, imputed, latency_ms, error, release)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kedge.contracts import Column, PackedIds, PredictionBatch, Producer, Role, State
from kedge.contracts.predictions import Ints, columns_of_cells
from kedge.contracts.values import ABSENT, plain_name
from kedge.sdk.frames import Cells, Columns, Mask, as_latencies
from kedge.sdk.ids import packed
from kedge.sdk.releases import LiveRelease

Single = tuple[str, int, dict[Any, Any], Any, tuple[Any, ...], Any, str | None, LiveRelease]
Pause = Callable[[], None]

_FIXED_BYTES = 28
_CELL_BYTES = 9


class Rows(Protocol):
    """Predictions of one release that can stand in one message."""

    @property
    def rows(self) -> int: ...

    def bytes_a_row(self) -> int:
        """About how large a row will be."""
        ...

    def cut(self, start: int, stop: int) -> Rows: ...

    def batch(self, environment: str, producer: Producer, pause: Pause) -> PredictionBatch:
        """The message's content; `pause` is called between pieces of work."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """The truth of one prediction.

    Attributes:
        id: of the prediction.
        model: that predicted.
        truth: what really was.
        known_at: microseconds since 1970 UTC.
    """

    id: str
    model: str
    truth: Any
    known_at: int
    rows = 1


@dataclass(frozen=True, slots=True)
class Singles:
    """Predictions logged one by one, of one release."""

    events: Sequence[Single]

    @property
    def rows(self) -> int:
        return len(self.events)

    def bytes_a_row(self) -> int:
        names: set[Any] = set()
        for event in self.events:
            names.update(event[2])
        return _FIXED_BYTES + _CELL_BYTES * (len(names) + 1)

    def cut(self, start: int, stop: int) -> Singles:
        return Singles(self.events[start:stop])

    def batch(self, environment: str, producer: Producer, pause: Pause) -> PredictionBatch:
        ids, times, features, outputs, imputed, latencies, errors, releases = zip(
            *self.events, strict=True
        )
        filled = [tuple(map(plain_name, row)) for row in imputed] if any(imputed) else ()
        answers = [
            {} if error is not None else output if type(output) is dict else {"output": output}
            for output, error in zip(outputs, errors, strict=True)
        ]
        return PredictionBatch(
            tags=releases[0].tags(environment),
            ids=packed(ids),
            event_times=np.array(times, np.int64),
            latencies_ms=as_latencies(latencies),
            columns=(
                *_columns(features, "feature", filled, pause),
                *_columns(answers, "output", (), pause),
            ),
            errors={row: error for row, error in enumerate(errors) if error is not None},
            producer=producer,
        )


def _columns(
    records: Sequence[dict[Any, Any]],
    role: Role,
    imputed: Sequence[Sequence[str]],
    pause: Pause,
) -> Iterable[Column]:
    """As `contracts.columns_of`, with pauses, and for records whose keys may be anything."""
    names: dict[Any, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
    if not all(type(name) is str and plain_name(name) == name for name in names):
        records = [
            {plain_name(name): value for name, value in record.items()} for record in records
        ]
        names = dict.fromkeys(name for record in records for name in record)
    filled = [frozenset(row) for row in imputed]
    for row in filled:
        names.update(dict.fromkeys(sorted(row)))
    for name in names:
        cells = [record.get(name, ABSENT) for record in records]
        marks = np.fromiter((name in row for row in filled), bool, len(filled)) if filled else None
        yield from columns_of_cells(name, role, cells, marks)
        pause()


@dataclass(frozen=True, slots=True)
class Frame:
    """Predictions logged together, by column."""

    release: LiveRelease
    ids: Sequence[str]
    event_times: Ints
    latencies_ms: NDArray[np.float32]
    features: Columns
    outputs: Columns
    imputed: dict[str, Mask]

    @property
    def rows(self) -> int:
        return len(self.event_times)

    def bytes_a_row(self) -> int:
        columns = [*self.features.values(), *self.outputs.values()]
        widths = (
            cells.values.shape[1]
            if isinstance(cells.values, np.ndarray) and cells.values.ndim > 1
            else 1
            for cells in columns
        )
        return _FIXED_BYTES + _CELL_BYTES * (sum(widths) + len(self.imputed))

    def cut(self, start: int, stop: int) -> Frame:
        ids = (
            PackedIds(self.ids.data[start * 16 : stop * 16])
            if isinstance(self.ids, PackedIds)
            else self.ids[start:stop]
        )
        return Frame(
            self.release,
            ids,
            self.event_times[start:stop],
            self.latencies_ms[start:stop],
            {name: cells.cut(start, stop) for name, cells in self.features.items()},
            {name: cells.cut(start, stop) for name, cells in self.outputs.items()},
            {name: mask[start:stop] for name, mask in self.imputed.items()},
        )

    def take(self, rows: Mask) -> Frame:
        """Only the rows where the mask holds."""
        return Frame(
            self.release,
            [name for name, keep in zip(self.ids, rows, strict=True) if keep],
            self.event_times[rows],
            self.latencies_ms[rows],
            {name: cells.take(rows) for name, cells in self.features.items()},
            {name: cells.take(rows) for name, cells in self.outputs.items()},
            {name: mask[rows] for name, mask in self.imputed.items()},
        )

    def batch(self, environment: str, producer: Producer, pause: Pause) -> PredictionBatch:
        columns: list[Column] = []
        for name, cells in self.features.items():
            columns.extend(_frame_column(name, "feature", cells, self.imputed.get(name)))
            pause()
        for name in sorted(self.imputed.keys() - self.features.keys()):
            mask = self.imputed[name]
            if mask.any():
                nothing = Cells([ABSENT] * self.rows)
                columns.extend(_frame_column(name, "feature", nothing, mask))
        for name, cells in self.outputs.items():
            columns.extend(_frame_column(name, "output", cells, None))
            pause()
        return PredictionBatch(
            tags=self.release.tags(environment),
            ids=packed(self.ids),
            event_times=self.event_times,
            latencies_ms=self.latencies_ms,
            columns=tuple(columns),
            producer=producer,
        )


def _frame_column(name: str, role: Role, cells: Cells, imputed: Mask | None) -> Iterable[Column]:
    values = cells.values
    if isinstance(values, list):
        return columns_of_cells(name, role, values, imputed)
    states = np.zeros(len(values), np.uint8)
    if cells.nulls is not None:
        states[cells.nulls] = State.NULL
    if imputed is not None:
        states[imputed] = State.IMPUTED
    return [Column(name, role, "boolean" if values.dtype == bool else "number", states, values)]
