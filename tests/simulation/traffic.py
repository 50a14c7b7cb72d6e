"""Predictions of two models over a few windows, and what has to come of them, by brute force.

In each window one release of a model serves, and its predictions are all healthy or all without
their inputs. So a window says the same of its release however few of its predictions have come, and
the alerts of the whole story are known before anything runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, NamedTuple

import numpy as np

from kedge import statistics
from kedge.contracts import PredictionBatch, Producer, Tags, columns_of, encode_batch
from kedge.performance import estimates, estimator_of
from kedge.profile import count_windows
from kedge.statistics import operational_statistics, window_statistics

WINDOW = 10_000_000
START = 1_699_990_000_000_000
COLUMNS = ("x", "y")
STATISTIC = "missing_increase"

AS_PUBLISHED = frozenset(
    {
        *("evidence", "onset", "onset_earliest", "onset_latest", "traffic_share", "volume_ratio"),
        *("trend", "step", "missing_trend", "missing_step"),
    }
)
"""Statistics of a window's first publication, or of what else was known at its last one."""


class Part(NamedTuple):
    """Windows in which one release serves."""

    release: int
    state: Literal["healthy", "sick"]
    windows: int


STORIES = {
    "bad release": [Part(1, "healthy", 2), Part(2, "sick", 3), Part(1, "healthy", 2)],
    "bad world": [
        Part(1, "healthy", 1),
        Part(2, "healthy", 2),
        Part(2, "sick", 3),
        Part(2, "healthy", 1),
    ],
    "does not help": [
        Part(1, "healthy", 2),
        Part(2, "sick", 3),
        Part(1, "sick", 2),
        Part(1, "healthy", 1),
    ],
}
"""Releases 1 and 2 of each model were deployed before, in this order."""

TOLD = {
    "bad release": [("firing", 2, "rolled_back"), ("resolved", 2, "rolled_back")],
    "bad world": [("firing", 2, "refused"), ("resolved", 2, "refused")],
    "does not help": [
        ("firing", 2, "rolled_back"),
        ("firing", 2, "rolled_back"),
        ("firing", 1, "refused"),
        ("resolved", 1, "refused"),
        ("resolved", 2, "rolled_back"),
    ],
}
"""The alerts on each column: status, release, decision. It takes two sick windows to fire."""

ROLLED_BACK = {"bad release": 1, "bad world": 0, "does not help": 1}
"""Times that the alias is moved back."""


@dataclass(frozen=True)
class Row:
    identity: str
    time: int
    features: dict


@dataclass(frozen=True)
class Message:
    """What a producer sends, and what is known of it."""

    partition: int
    value: bytes
    kind: str = "counted"
    tags: Tags | None = None
    rows: tuple[Row, ...] = ()


@dataclass
class Truth:
    """Every row that is to be counted, by its window: model, release and start."""

    windows: dict[tuple[str, int, int], list[Row]] = field(default_factory=dict)
    kinds: Counter = field(default_factory=Counter)
    rows: Counter = field(default_factory=Counter)

    def add(self, message):
        self.kinds[message.kind] += 1
        self.rows[message.kind] += len(message.rows)
        if message.kind == "counted":
            for row in message.rows:
                start = row.time // WINDOW * WINDOW
                key = (message.tags.model, message.tags.release, start)
                self.windows.setdefault(key, []).append(row)

    def statistics(self, key, tags, reference):
        """Those of a window, from all of its rows in one batch: name, column, kind and value."""
        batch, estimator = _batch(tags, self.windows[key]), estimator_of(reference)
        (profile,) = count_windows(batch, reference, WINDOW, estimator).values()
        return [
            (each.name, each.column, each.kind, each.value)
            for each in chain(
                window_statistics(profile, reference),
                operational_statistics(profile, statistics.Traffic(0, None)),
                estimates(estimator, reference, profile.expectation),
            )
            if each.name not in AS_PUBLISHED
        ]


class Traffic:
    """The messages, in the order in which they are sent.

    Args:
        random: decides.
        releases: tags of every release, by model and number.
        partitions: of the topic; each window has predictions in all of them.
    """

    def __init__(self, random, releases, partitions):
        self._random, self._releases, self._partitions = random, releases, partitions
        self._made = 0
        models = sorted({model for model, _ in releases})
        self.stories = {
            model: random.choice(sorted(STORIES))
            for model in random.sample(models, random.randint(1, len(models)))
        }
        queues = [
            self._messages(model, partition)
            for model in self.stories
            for partition in range(partitions)
        ]
        self.messages = []
        while queues := [queue for queue in queues if queue]:
            self.messages.append(random.choice(queues).pop(0))

    def last_window(self, model):
        """Start of the window that nothing follows: event time alone does not close it."""
        return START + WINDOW * sum(part.windows for part in STORIES[self.stories[model]])

    def _messages(self, model, partition):
        """One producer's messages, in order but for stragglers, duplicates and garbage."""
        random, queue, late = self._random, [], []
        start = START
        for part in [*STORIES[self.stories[model]], Part(1, "healthy", 1)]:
            tags = self._releases[model, part.release]
            for _ in range(part.windows):
                queue.append(self._message(tags, partition, start, part.state))
                queue += late
                late = []
                if random.random() < 0.3:
                    straggler = self._message(tags, partition, start, part.state)
                    (late if random.random() < 0.5 else queue).append(straggler)
                if random.random() < 0.2:
                    again = random.choice([m for m in queue if m.kind == "counted"])
                    queue.append(Message(partition, again.value, "duplicate", rows=again.rows))
                if random.random() < 0.1:
                    queue.append(Message(partition, b"garbage", "unreadable"))
                if random.random() < 0.1:
                    queue.append(self._unknown(tags, partition, start))
                start += WINDOW
        return queue

    def _message(self, tags, partition, start, state, kind="counted"):
        rows = tuple(self._row(start, state) for _ in range(self._random.randint(1, 4)))
        return Message(partition, encode_batch(_batch(tags, rows)), kind, tags, rows)

    def _unknown(self, tags, partition, start):
        nobody = Tags(tags.model, tags.model_version, tags.code_version, 9, tags.environment)
        return self._message(nobody, partition, start, "healthy", "unknown")

    def _row(self, start, state):
        self._made += 1
        healthy = state == "healthy"
        values = {name: self._random.uniform(0, 100) if healthy else None for name in COLUMNS}
        return Row(f"{self._made}", start + self._random.randrange(WINDOW), values)


def _batch(tags, rows):
    return PredictionBatch(
        tags,
        [row.identity for row in rows],
        np.array([row.time for row in rows], np.int64),
        np.full(len(rows), np.nan, np.float32),
        columns_of([row.features for row in rows], "feature"),
        producer=Producer(tags.model, 0, 0),
    )
