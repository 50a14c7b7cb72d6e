"""The evaluator: outcomes are joined with the predictions that the archive has.

Any number of evaluators share the partitions of `outcomes`. Each holds what it needs of the archive
in a temporary folder of its own, and what it has counted in its state's topic.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from threading import Event
from typing import TypeVar

import numpy as np
import pyarrow as pa
import structlog
from numpy.typing import NDArray

from kedge.archive import open_archive
from kedge.broker import connection
from kedge.clock import microseconds_now
from kedge.contracts import Topics, UnreadableMessageError, decode, encode
from kedge.evaluation.archived import ArchivedPredictions, earliest
from kedge.evaluation.joining import BaseWindow, by_window, joined_columns
from kedge.evaluation.segmenting import Segmenting
from kedge.evaluation.shelf import Found, Shelf
from kedge.evaluation.truths import SWEEPS, UNKNOWN, Joined, Orphan, Truths, name_of
from kedge.performance import compared_output
from kedge.policies import configured
from kedge.profile import Reference
from kedge.settings import Settings, micros
from kedge.streams import (
    CommittedLog,
    Incoming,
    Outgoing,
    Releases,
    Source,
    TryAgainError,
    dead_letter,
    run_transactionally,
)
from kedge.streams.clients import Options

_MOST_NAMES = 20_000
"""Names that are looked for at once."""
_MOST_NEWS = 500_000
"""Predictions that are read for one micro-batch: more would keep the broker waiting for a sign."""

_log = structlog.get_logger(__name__)

T = TypeVar("T")


def run(settings: Settings, stop: Event) -> None:
    """Run one evaluator until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    own = {
        "batch_records": settings.evaluator.batch_records,
        "batch_wait": settings.evaluator.batch_wait,
    }
    paced = settings.model_copy(update={"stream": settings.stream.model_copy(update=own)})
    releases = Releases(kafka, topics)
    source = Source(topics.outcomes, "evaluator", f"{settings.topic_prefix}.evaluator")
    evaluator = Evaluator(releases, topics, settings, kafka)
    try:
        run_transactionally(source, evaluator, kafka, paced, stop)
    finally:
        evaluator.close()
        releases.close()


class Evaluator:
    """Outcomes in, joined predictions, dead letters and state out."""

    def __init__(
        self, releases: Releases, topics: Topics, settings: Settings, kafka: Options
    ) -> None:
        self._releases, self._topics, self._kafka = releases, topics, kafka
        self._settings, self._window = settings.evaluator, micros(settings.stream.window)
        self._archive = open_archive(settings.archive_url)
        self._policies = configured(settings)
        self._truths: dict[int, Truths] = {}
        self._open()

    def _open(self) -> None:
        self._shelf = Shelf()
        segmenting = Segmenting(self._policies, self._reference)
        self._archived = ArchivedPredictions(
            self._archive, self._output, segmenting, self._shelf.words
        )
        # Predictions on the shelf that no truth was looked for yet.
        self._news: list[Found] = []
        # What the archive has and was not read, while it is more than one micro-batch takes.
        self._reading: Iterator[Found] | None = None
        self._caught_up = False
        # Partitions whose truths have to be held against all that is on the shelf.
        self._restored: set[int] = set()
        # How many predictions there are of each window, and of each segment of it.
        self._predictions: dict[BaseWindow, int] = {}
        self._segments: dict[BaseWindow, Counter[str]] = {}
        # Windows with predictions that nobody was told of.
        self._untold: set[BaseWindow] = set()
        self._forgotten = UNKNOWN

    def close(self) -> None:
        self._shelf.close()

    def assigned(self, partition: int) -> None:
        truths = Truths(
            self._shelf.truths(partition),
            horizon=micros(self._settings.horizon),
            patience=micros(self._settings.patience),
            most_waiting=self._settings.most_waiting,
        )
        with CommittedLog(self._kafka, self._topics.state("evaluator"), partition) as log:
            truths.restore(log.news())
        self._truths[partition] = truths
        self._restored.add(partition)
        # What was told last may not have been committed.
        self._untold.update(self._predictions)

    def revoked(self, partition: int) -> None:
        if self._truths.pop(partition, None) is not None:
            self._shelf.truths(partition)
        self._restored.discard(partition)

    def rows(self, message: Incoming) -> int:
        del message  # an outcome is no prediction
        return 0

    def process(self, batch: Sequence[Incoming]) -> list[Outgoing]:
        wanted: list[tuple[Truths, bytes]] = []
        try:
            for message in batch:
                truths = self._truths.get(message.partition)
                if truths is None:
                    raise TryAgainError(
                        f"partition {message.partition} went to another process meanwhile"
                    )
                try:
                    _name, outcome = decode(message.value, "outcome")
                except UnreadableMessageError:
                    continue  # the archiver's to give up: it reads them too
                name = truths.take(outcome, message.offset, message.timestamp)
                if name is not None:
                    wanted.append((truths, name))
            self._read_archive()
            return list(self._outputs(wanted, microseconds_now()))
        except (sqlite3.Error, OSError) as error:
            # The disk is full, for example. All that was on it can be had again.
            self._shelf.close()
            self._open()
            raise TryAgainError(f"what is at hand on the disk was lost: {error}") from error

    def idle(self, now: int) -> list[Outgoing]:
        try:
            self._read_archive()
        except TryAgainError as error:
            _log.warning("trying_again", error=str(error))
            return []
        return list(self._outputs((), now))

    def _read_archive(self) -> None:
        """Put on the shelf what the archive has got since.

        Raises:
            TryAgainError: a file can't be read.
        """
        self._caught_up = False
        fresh = self._reading is None
        if self._reading is None:
            floors = earliest(
                floor for truths in self._truths.values() for floor in truths.floors()
            )
            self._forget(floors)
            self._reading = self._archived.news(floors, time.time_ns())
        try:
            for predictions in self._reading:
                added = self._shelf.add(predictions)
                self._news.append(added)
                self._count(added)
                if sum(len(each.ids) for each in self._news) >= _MOST_NEWS:
                    return
        except (OSError, pa.ArrowException) as error:
            self._reading = None
            raise TryAgainError(f"the archive can't be read: {error}") from error
        self._reading = None
        # What was begun before may not know of a model whose first outcome came since.
        self._caught_up = fresh

    def _forget(self, floors: Mapping[str, int]) -> None:
        """Forget what is beyond the horizon, now and then."""
        floor = min(floors.values(), default=UNKNOWN)
        if floor - self._forgotten < micros(self._settings.horizon) // SWEEPS:
            return
        self._forgotten = floor
        self._shelf.forget(floor)
        self._archived.forget(floors)
        for window in [w for w in self._predictions if w.start + self._window <= floor]:
            del self._predictions[window]
            self._segments.pop(window, None)
            self._untold.discard(window)

    def _outputs(self, wanted: Iterable[tuple[Truths, bytes]], now: int) -> Iterator[Outgoing]:
        yield from self._messages(list(self._joined(wanted)))
        for partition, truths in self._truths.items():
            # As long as there is more in the archive, nobody waits in vain.
            if self._caught_up:
                for orphan in truths.orphans(now):
                    yield self._give_up(partition, orphan)
            truths.sweep()
            for key, state in truths.changes():
                yield Outgoing(self._topics.state("evaluator"), key, state, partition)

    def _joined(self, wanted: Iterable[tuple[Truths, bytes]]) -> Iterator[Joined]:
        for partition in self._restored:
            truths = self._truths[partition]
            for names in _batched(truths.names(), _MOST_NAMES):
                for name, predictions in self._shelf.find(names):
                    yield from truths.join(name, predictions)
        self._restored.clear()
        for found in self._news:
            rows, partitions = self._shelf.known(found)
            known = self._shelf.predictions(found.rows[rows])
            for row, partition, prediction in zip(rows.tolist(), partitions, known, strict=True):
                name = name_of(found.model, found.environment, found.ids[row].as_py())
                yield from self._truths[partition].join(name, [prediction])
        self._news.clear()
        by_truths: dict[int, tuple[Truths, list[bytes]]] = {}
        for truths, name in wanted:
            by_truths.setdefault(id(truths), (truths, []))[1].append(name)
        for truths, names in by_truths.values():
            for name, predictions in self._shelf.find(names):
                yield from truths.join(name, predictions)
        for truths in self._truths.values():
            yield from truths.corrections()

    def _count(self, found: Found) -> None:
        rows = found.rows
        starts = rows["event_time"] // self._window * self._window
        for release in np.unique(rows["release"]).tolist():
            mine = starts[rows["release"] == release]
            for start, count in zip(*_counted(mine), strict=True):
                window = BaseWindow(found.model, found.environment, release, start)
                self._predictions[window] = self._predictions.get(window, 0) + count
                self._untold.add(window)
        segmented = np.flatnonzero(rows["segments"])
        predictions = self._shelf.predictions(rows[segmented])
        for start, prediction in zip(starts[segmented].tolist(), predictions, strict=True):
            window = BaseWindow(found.model, found.environment, prediction.release, start)
            self._segments.setdefault(window, Counter()).update(prediction.segments)

    def _messages(self, joined: list[Joined]) -> Iterator[Outgoing]:
        for window, rows in by_window(joined, self._window):
            self._untold.discard(window)
            yield self._message(window, rows)
        # Of the others, how many there are is what the share of known truths is of. While a backlog
        # is read, that would be told again with every file.
        if self._caught_up:
            for window in sorted(self._untold):
                yield self._message(window, ())
            self._untold.clear()

    def _message(self, window: BaseWindow, rows: Iterable[Joined]) -> Outgoing:
        known = self._releases.release(window.model, window.release)
        assert known is not None, "of an unknown release, nothing is read from the archive"
        record = {
            "model": window.model,
            "model_version": known.model_version,
            "code_version": known.code_version,
            "release": window.release,
            "environment": window.environment,
            "window_start": window.start,
            "window_end": window.start + self._window,
            "predictions": self._predictions.get(window, 0),
            "output": self._output(window.model, window.release),
            **joined_columns(rows, self._segments.get(window, {})),
        }
        message = encode("performance", record)
        return Outgoing(self._topics.performance, window.model.encode(), message)

    def _reference(self, model: str, release: int) -> Reference | None:
        known = self._releases.release(model, release)
        return None if known is None else known.reference

    def _output(self, model: str, release: int) -> str | None:
        reference = self._reference(model, release)
        return None if reference is None else compared_output(reference)

    def _give_up(self, partition: int, orphan: Orphan) -> Outgoing:
        name = orphan.outcome["prediction_id"]
        message = Incoming(
            self._topics.outcomes,
            partition,
            orphan.offset,
            orphan.arrived,
            name.encode(),
            encode("outcome", orphan.outcome),
        )
        return dead_letter(
            self._topics,
            "evaluator",
            message,
            "unknown_prediction",
            f"the archive has no prediction `{name}` of model `{orphan.outcome['model']}` in "
            f"{orphan.outcome['environment']}, or only one that was made more than "
            f"{self._settings.horizon:g} s before the newest outcome",
        )


def _counted(values: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Distinct values, and how often there is each."""
    distinct, counts = np.unique(values, return_counts=True)
    return distinct.tolist(), counts.tolist()


def _batched(items: Iterable[T], most: int) -> Iterator[list[T]]:
    """Items in lists of at most so many."""
    left = iter(items)
    while batch := list(islice(left, most)):
        yield batch
