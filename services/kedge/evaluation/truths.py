"""Pure: which truth holds for each prediction, and which of it was counted.

One `Truths` holds what one partition of the outcomes topic brought within the horizon. Its state
goes in and out as keys and values, so it lives in a compacted topic. `docs/outcomes.md` has the
rules for users.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from kedge.contracts import Record

UNKNOWN = -(2**63)
SWEEPS = 20
"""Looks for what is beyond the horizon while event time passes one."""


class Prediction(NamedTuple):
    """What is compared of an archived prediction.

    Attributes:
        release: that predicted.
        event_time: when, in microseconds since 1970 UTC.
        output: the value of the compared output; None where there is no usable one.
        segments: that it is in, of those that a policy named when it was read.
    """

    release: int
    event_time: int
    output: float | bool | str | None
    segments: tuple[str, ...] = ()


class Joined(NamedTuple):
    """A prediction whose truth became known, or another one.

    Attributes:
        model: that predicted.
        environment: where.
        prediction: the prediction.
        before: the truth that was counted so far; None for none.
        after: the truth that is to be counted now; None for none.
    """

    model: str
    environment: str
    prediction: Prediction
    before: Any
    after: Any


class Orphan(NamedTuple):
    """An outcome without a prediction.

    Attributes:
        outcome: as in the `outcome` contract.
        offset: of its message.
        arrived: when it came, by Kafka, in microseconds since 1970 UTC.
    """

    outcome: Record
    offset: int
    arrived: int


@dataclass(slots=True)
class _Known:
    """What is remembered of a prediction's outcomes.

    Attributes:
        known_at: of the truth that holds.
        offset: of the message that it came in.
        arrived: when that was, by Kafka.
        truth: the truth.
        counted: the predictions of this name that were joined with it, one a release: a canary may
            have predicted the same as its elder.
    """

    known_at: int
    offset: int
    arrived: int
    truth: Any
    counted: list[Prediction] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        return _as_bytes([self.known_at, self.offset, self.arrived, self.truth, self.counted])

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        known_at, offset, arrived, truth, counted = json.loads(data)
        predictions = [
            Prediction(release, event_time, output, tuple(segments))
            for release, event_time, output, segments in counted
        ]
        return cls(known_at, offset, arrived, truth, predictions)

    def horizon(self) -> int:
        """The event time until which it is needed."""
        return max((each.event_time for each in self.counted), default=UNKNOWN)


def name_of(model: str, environment: str, prediction: str) -> bytes:
    """What names a prediction in the state, and everywhere on this machine."""
    return _as_bytes([model, environment, prediction])


class Truths:
    """What one partition knows.

    Of the outcomes of one prediction the one with the latest `known_at` holds; of two that became
    known at once, the one that came later. A prediction is joined if it was made no longer than
    `horizon` before the newest truth of its model and environment. What was joined is remembered
    for exactly as long, so nothing that was forgotten can be counted again.

    Args:
        entries: where to keep what is known, by name; it may be on the disk.
        horizon: microseconds of event time.
        patience: microseconds that an outcome waits for its prediction.
        most_waiting: outcomes without a prediction that are kept; of more, the oldest are given up.
    """

    def __init__(
        self,
        entries: MutableMapping[bytes, bytes],
        *,
        horizon: int,
        patience: int,
        most_waiting: int,
    ) -> None:
        self._entries, self._horizon = entries, horizon
        self._patience, self._most_waiting = patience, most_waiting
        # The newest truth of each model and environment, as far as this was told.
        self._times: dict[tuple[str, str], int] = {}
        self._told: dict[tuple[str, str], int] = {}
        # Names without a prediction, by the arrival of their outcome, the oldest first.
        self._waiting: dict[bytes, int] = {}
        self._corrected: dict[bytes, _Known] = {}
        # What `changes` will put among the entries, and take from them.
        self._fresh: dict[bytes, _Known] = {}
        self._gone: dict[bytes, None] = {}
        self._swept: dict[tuple[str, str], int] = {}

    def floors(self) -> Iterator[tuple[str, str, int]]:
        """Model, environment and the event time before which no prediction is joined."""
        for (model, environment), time in self._times.items():
            yield model, environment, time - self._horizon

    def take(self, outcome: Record, offset: int, arrived: int) -> bytes | None:
        """Take note of an outcome; the name of its prediction if that has to be looked for.

        Args:
            outcome: as in the `outcome` contract.
            offset: of its message.
            arrived: when it came, by Kafka, in microseconds. A truth that claims to be known later
                than that moves the horizon no further.
        """
        model, environment, known_at = outcome["model"], outcome["environment"], outcome["known_at"]
        self._pass_time(model, environment, min(known_at, arrived))
        name = name_of(model, environment, outcome["prediction_id"])
        known = self._known(name)
        if known is not None and known_at < known.known_at:
            return None
        after = _Known(known_at, offset, arrived, outcome["truth"])
        if known is not None and known.counted:
            self._corrected.setdefault(name, known)
            after.counted = list(known.counted)
            self._fresh[name] = after
            return None
        self._waiting.pop(name, None)
        self._waiting[name] = arrived
        self._fresh[name] = after
        return name

    def join(self, name: bytes, predictions: Iterable[Prediction]) -> Iterator[Joined]:
        """Join the truth that is known of a name with predictions that the archive has of it.

        Args:
            name: of the predictions.
            predictions: any of them, also such as were joined before.
        """
        known, found = self._known(name), False
        if known is None:
            return
        model, environment, _id = json.loads(name)
        floor = self._times[model, environment] - self._horizon
        for prediction in predictions:
            if prediction.event_time < floor or any(
                prediction.release == counted.release for counted in known.counted
            ):
                continue
            known.counted.append(prediction)
            found = True
            # What it was before a correction in this micro-batch never was counted for this one.
            yield Joined(model, environment, prediction, None, known.truth)
        if found:
            self._waiting.pop(name, None)
            self._fresh[name] = known

    def corrections(self) -> Iterator[Joined]:
        """What was counted before and has another truth since the last call."""
        for name, before in self._corrected.items():
            after = self._fresh[name]
            if _as_bytes(before.truth) == _as_bytes(after.truth):
                continue
            model, environment, _id = json.loads(name)
            for prediction in before.counted:
                yield Joined(model, environment, prediction, before.truth, after.truth)
        self._corrected.clear()

    def orphans(self, now: int) -> Iterator[Orphan]:
        """Give up outcomes that waited too long or are too many.

        Args:
            now: the clock, in microseconds since 1970 UTC.
        """
        while self._waiting:
            name, arrived = next(iter(self._waiting.items()))
            if arrived > now - self._patience and len(self._waiting) <= self._most_waiting:
                return
            known = self._known(name)
            assert known is not None, "who waits is known"
            del self._waiting[name]
            self._remove(name)
            model, environment, prediction = json.loads(name)
            outcome = {
                "prediction_id": prediction,
                "model": model,
                "environment": environment,
                "known_at": known.known_at,
                "truth": known.truth,
            }
            yield Orphan(outcome, known.offset, known.arrived)

    def sweep(self) -> None:
        """Forget what is beyond the horizon, now and then: it takes a look at all there is."""
        due = {
            scope: time - self._horizon
            for scope, time in self._times.items()
            if time - self._swept.get(scope, UNKNOWN) > self._horizon // SWEEPS
        }
        if not due:
            return
        old = []
        for name, data in self._entries.items():
            model, environment, _id = json.loads(name)
            floor = due.get((model, environment))
            if (
                floor is not None
                and name not in self._waiting
                and name not in self._fresh
                and _Known.from_bytes(data).horizon() < floor
            ):
                old.append(name)
        for name in old:
            self._remove(name)
        self._swept.update({scope: self._times[scope] for scope in due})

    def changes(self) -> Iterator[tuple[bytes, bytes | None]]:
        """State that changed since the last call, by key; None where there is no more."""
        for name in self._gone:
            if name not in self._fresh:
                self._entries.pop(name, None)
                yield name, None
        for name, known in self._fresh.items():
            data = self._entries[name] = known.to_bytes()
            yield name, data
        for scope, time in self._times.items():
            if self._told.get(scope) != time:
                self._told[scope] = time
                yield _as_bytes(list(scope)), _as_bytes(time)
        self._gone.clear()
        self._fresh.clear()

    def restore(self, state: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take over what `changes` once gave, in that order."""
        waiting: dict[bytes, int] = {}
        for name, data in state:
            match json.loads(name):
                case [model, environment]:
                    self._times[model, environment] = json.loads(data or b"0")
                case _ if data is None:
                    self._entries.pop(name, None)
                    waiting.pop(name, None)
                case _:
                    self._entries[name] = data
                    known = _Known.from_bytes(data)
                    if known.counted:
                        waiting.pop(name, None)
                    else:
                        waiting[name] = known.arrived
        self._told = dict(self._times)
        self._waiting = dict(sorted(waiting.items(), key=lambda item: item[1]))

    def names(self) -> Iterator[bytes]:
        """The names of all predictions with a known truth; they may be joined meanwhile."""
        return iter(self._entries)

    def _pass_time(self, model: str, environment: str, time: int) -> None:
        scope = (model, environment)
        self._times[scope] = max(self._times.get(scope, UNKNOWN), time)

    def _known(self, name: bytes) -> _Known | None:
        if name in self._fresh:
            return self._fresh[name]
        data = None if name in self._gone else self._entries.get(name)
        return None if data is None else _Known.from_bytes(data)

    def _remove(self, name: bytes) -> None:
        self._fresh.pop(name, None)
        self._gone[name] = None


# `json.dumps` makes an encoder for every call that wants other separators.
_encoder = json.JSONEncoder(separators=(",", ":"))


def _as_bytes(value: Any) -> bytes:
    return _encoder.encode(value).encode()
