"""Predictions from a producer of no special kind, all of them remembered as they were sent."""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from functools import partial

import numpy as np
from confluent_kafka import Producer

from chaos.outcomes import Outcomes
from chaos.world import PARTITIONS, WINDOW, World
from kedge.contracts import PredictionBatch, Tags, columns_of, encode, encode_batch

START = 1_700_000_000_000_000
ROWS = 40
MESSAGES_A_WINDOW = 15
LOSS = {1: 0.1, 2: 0.95}
"""How often each release has no `x`."""

_AGAIN, _LATELY = 5, 200
"""Messages that are sent again, and of how many of the last. A minute's: within the horizon."""

_PACE = 0.04
"""Seconds between messages: slow enough for the services to live through every fault."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Predictions of one message that the broker has acknowledged."""

    partition: int
    tags: Tags
    ids: list[str]
    times: np.ndarray
    x: np.ndarray
    y: np.ndarray
    scores: np.ndarray


class Traffic:
    """Sends, and remembers what was acknowledged.

    While the broker is away the client holds what it was given, and retries it as an idempotent
    producer does. What `send_again` sends comes twice, as from an application that was killed and
    replays what it kept.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._rng = np.random.default_rng(seed)
        self._release, self._since = 1, 0
        self._client = Producer(
            {
                "bootstrap.servers": world.settings.kafka["bootstrap.servers"],
                "enable.idempotence": True,
                "acks": "all",
                "delivery.timeout.ms": 600_000,
                "linger.ms": 5,
            },
            # That it can't connect while the broker is away is no news.
            logger=logging.getLogger("librdkafka"),
        )
        self.outcomes = Outcomes(seed)
        self.messages = 0
        self.sent: list[Sent] = []
        self._values: list[bytes] = []
        """The messages of `sent`, in its order."""
        self.repeated: list[Sent] = []
        """What the broker has taken once more."""
        self.poison: Counter[bytes] = Counter()
        self.readable_poison: list[str] = []
        """Ids of predictions that can be read, and so are archived, but not counted."""
        self.errors: list[str] = []

    @property
    def window(self) -> int:
        """The window of the next message, counted from the first."""
        return self.messages // MESSAGES_A_WINDOW

    @property
    def now(self) -> int:
        """The start of that window in event time."""
        return START // WINDOW * WINDOW + self.window * WINDOW

    def step(self) -> None:
        """Send one message of many predictions, or a few of one each."""
        time.sleep(_PACE)
        if self.messages % MESSAGES_A_WINDOW == 0:
            # As an inference server does, a little late. Releases share no window: see `_times`.
            serving = self._world.serving
            if serving != self._release:
                self._release, self._since = serving, self.window
        partition = int(self._rng.integers(PARTITIONS))
        if self._rng.random() < 0.2:
            for _ in range(3):
                self._send(self._some(partition, 1), single=True)
        else:
            self._send(self._some(partition, ROWS))
        self._send_outcomes(self.messages)
        self.messages += 1

    def close(self) -> None:
        """Take event time past every window, in each partition, and wait for the broker."""
        self.messages += 1000 * MESSAGES_A_WINDOW
        self._since = self.window
        for partition in range(PARTITIONS):
            self._send(self._some(partition, ROWS))
        assert self._client.flush(600) == 0
        # Planned when the broker has their predictions, so these are all there will be.
        self._send_outcomes(math.inf)
        assert self._client.flush(600) == 0
        assert self.errors == []

    def _send_outcomes(self, now: float) -> None:
        for key, value, partition in self.outcomes.due(now):
            self._produce(self._world.topics.outcomes, value, partition, lambda: None, key)

    def _some(self, partition: int, rows: int) -> Sent:
        rng = self._rng
        x, y = rng.normal(size=rows), rng.normal(size=rows)
        x[rng.random(rows) < LOSS[self._release]] = np.nan
        tags = self._world.releases[self._release]
        ids, times = [self._id() for _ in range(rows)], self._times(rows)
        return Sent(partition, tags, ids, times, x, y, rng.random(rows))

    def _times(self, rows: int) -> np.ndarray:
        """Most of now; one in ten up to three windows late, but not before the release."""
        late = self._rng.integers(0, 4, rows) * (self._rng.random(rows) < 0.1)
        windows = np.maximum(-late, self._since - self.window)
        return self.now + windows * WINDOW + self._rng.integers(0, WINDOW, rows)

    def _id(self) -> str:
        return str(uuid.UUID(bytes=self._rng.bytes(16)))

    def _send(self, some: Sent, *, single: bool = False) -> None:
        value = _single(some) if single else _batch(some)

        def acknowledged() -> None:
            self.sent.append(some)
            self._values.append(value)
            told = zip(some.ids, some.scores.tolist(), some.times.tolist(), strict=True)
            for prediction, score, event_time in told:
                self.outcomes.plan(prediction, score, event_time, self.messages)

        self._produce(self._world.topics.predictions, value, some.partition, acknowledged)

    def send_again(self) -> None:
        """Send a few messages again that were acknowledged lately, to where they went at first."""
        for back in self._rng.integers(1, 1 + min(_LATELY, len(self.sent)), _AGAIN).tolist():
            some = self.sent[-back]
            again = partial(self.repeated.append, some)
            topic = self._world.topics.predictions
            self._produce(topic, self._values[-back], some.partition, again)

    def send_poison(self, name: str) -> None:
        """Send what is no prediction of a known release; no two messages are the same."""
        some = self._some(int(self._rng.integers(PARTITIONS)), 3)
        value, readable = _poison(name, some, self._rng.bytes(16))

        def acknowledged() -> None:
            self.poison[value] += 1
            if readable:
                self.readable_poison.extend(some.ids)

        self._produce(self._world.topics.predictions, value, some.partition, acknowledged)

    def _produce(self, topic, value, partition, acknowledged, key=None) -> None:
        def told(error, _message) -> None:
            if error is None:
                acknowledged()
            else:
                self.errors.append(str(error))

        self._client.produce(topic, value, key, partition, told)
        self._client.poll(0)


def _rows(some: Sent) -> list[dict[str, float | None]]:
    return [
        {"x": None if np.isnan(x) else float(x), "y": float(y)}
        for x, y in zip(some.x, some.y, strict=True)
    ]


def _outputs(some: Sent) -> list[dict[str, float]]:
    return [{"score": score} for score in some.scores.tolist()]


def _batch(some: Sent, tags: Tags | None = None, times: np.ndarray | None = None) -> bytes:
    unknown = np.full(len(some.ids), np.nan, np.float32)
    return encode_batch(
        PredictionBatch(
            tags or some.tags,
            some.ids,
            some.times if times is None else times,
            unknown,
            (*columns_of(_rows(some), "feature"), *columns_of(_outputs(some), "output")),
        )
    )


def _single(some: Sent) -> bytes:
    (features,), (outputs,) = _rows(some), _outputs(some)
    tags = some.tags
    return encode(
        "prediction",
        {
            "id": some.ids[0],
            "event_time": int(some.times[0]),
            "model": tags.model,
            "model_version": tags.model_version,
            "code_version": tags.code_version,
            "release": tags.release,
            "environment": tags.environment,
            "features": features,
            "imputed": [],
            "outputs": outputs,
            "latency_ms": None,
            "error": None,
            "producer": None,
        },
    )


def _poison(name: str, some: Sent, salt: bytes) -> tuple[bytes, bool]:
    """The message, and whether the predictions in it can be read."""
    good, tags = _batch(some), some.tags
    match name:
        case "empty":
            # An empty value, told from others by nothing: see `reconciliation`.
            return b"", False
        case "wrong_magic":
            return b"\x00" + good[1:], False
        case "unknown_fingerprint":
            return good[:2] + salt[:8] + good[10:], False
        case "truncated":
            return good[: 20 + len(good) // 2], False
        case "unknown_model":
            return _batch(some, Tags("trains", *_rest(tags))), True
        case "unknown_release":
            return _batch(some, Tags(*_head(tags), 99, tags.environment)), True
        case "wrong_release":
            return _batch(some, Tags(tags.model, "mv", *_rest(tags)[1:])), True
        case "before_2000":
            return _batch(some, times=some.times // 1_000_000), True
        case _:
            return _batch(some, times=some.times * 2), True


def _head(tags: Tags) -> tuple[str, str, str]:
    return tags.model, tags.model_version, tags.code_version


def _rest(tags: Tags) -> tuple[str, str, int, str]:
    return tags.model_version, tags.code_version, tags.release, tags.environment
