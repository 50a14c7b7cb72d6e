"""The story: a healthy release, a release with a bug, and how the alias comes back by itself."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from kedge.broker import connection
from kedge.demo.flights import Flights
from kedge.demo.ledger import Ledger, Sums
from kedge.demo.receiver import Delivery
from kedge.demo.stage import ALIAS, MODEL, WINDOW, Stage, wait_for_server
from kedge.demo.traffic import Answer, Traffic
from kedge.demo.training import train
from kedge.registry import AliasMove, Registry, Release
from kedge.sdk import LiveRelease, PredictionLogger
from kedge.serving.code import load_code

_SECOND = 1_000_000
_ACTOR = "demo"
ROLLBACK_RULE = "an input goes missing"
_PATIENCE = 120.0
"""Seconds for the last prediction to pass through everything."""


def _instant(month: int, day: int, hour: int = 5) -> int:
    """A moment of 2013; New York's day begins at 5:00 UTC in winter."""
    return int(datetime(2013, month, day, hour, tzinfo=UTC).timestamp()) * _SECOND


YEAR_BEGINS = _instant(1, 1)
TRAINED_UNTIL = _instant(1, 29)
YEAR_ENDS = YEAR_BEGINS + 366 * 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played.

    Attributes:
        speed: seconds of event time in a second.
        days: of flights after the training; all there are by default.
    """

    speed: float
    days: int | None = None

    @property
    def until(self) -> int:
        if self.days is None:
            return YEAR_ENDS
        return min(TRAINED_UNTIL + self.days * 86_400 * _SECOND, YEAR_ENDS)

    @property
    def fault_at(self) -> int:
        """When release 2 ships: well inside the stream, in the middle of a window."""
        window = WINDOW * _SECOND
        middle = (TRAINED_UNTIL + self.until) // 2
        return middle // window * window + window // 2


@dataclass(slots=True)
class Outcome:
    """How the story went. Moments of the clock are seconds since 1970 UTC."""

    first: Release
    second: Release
    predictions_sent: int = 0
    outcomes_sent: int = 0
    fault: Answer | None = None
    swapped_back: Answer | None = None
    shipped_at: float = 0.0
    sums: Sums = field(default_factory=lambda: Sums(0, 0, 0, 0))
    moves: list[AliasMove] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    refused_deliveries: int = 0

    @property
    def detection(self) -> Delivery | None:
        """The webhook that said what went wrong."""
        return self._delivered("firing")

    @property
    def recovery(self) -> Delivery | None:
        """The webhook that said that it was over."""
        return self._delivered("resolved")

    def _delivered(self, status: str) -> Delivery | None:
        for delivery in self.deliveries:
            if any(_is_on_the_fault(alert, status) for alert in delivery.alerts):
                return delivery
        return None

    @property
    def rollback(self) -> AliasMove | None:
        """The move from the release with the bug to the one before it."""
        for move in self.moves:
            if move.incident and (move.from_release, move.to_release) == (
                self.second.number,
                self.first.number,
            ):
                return move
        return None

    @property
    def false_rollbacks(self) -> int:
        """Moves by the alerting service beside the one that is due."""
        rollback = self.rollback
        return sum(move.incident is not None and move is not rollback for move in self.moves)

    @property
    def windows_to_detection(self) -> int | None:
        """Windows from the fault's, which counts as one, to the one that fired the alert."""
        if self.fault is None or self.detection is None:
            return None
        (alert, *_) = (a for a in self.detection.alerts if _is_on_the_fault(a, "firing"))
        fired = datetime.fromisoformat(alert["window_start"]).timestamp()
        first = self.fault.first_departure // _SECOND // WINDOW * WINDOW
        return (int(fired) - first) // WINDOW + 1

    @property
    def seconds_fault_to_rollback(self) -> float | None:
        """From the first answer of the release with the bug to the alias's move."""
        if self.fault is None or self.rollback is None:
            return None
        return self.rollback.moved_at / _SECOND - self.fault.received_at

    def shortcomings(self) -> list[str]:
        """What did not come out as the story has it; empty when all did."""
        sent, sums = self.predictions_sent, self.sums
        windows = self.windows_to_detection
        checks = {
            f"{sent} predictions were sent, {sums.profiled} profiled and {sums.dead_lettered} "
            "given up": sent == sums.profiled + sums.dead_lettered,
            f"{sent} predictions were sent and {sums.archived} archived": sent == sums.archived,
            f"{self.outcomes_sent} outcomes were sent and {sums.outcomes_archived} archived": (
                self.outcomes_sent == sums.outcomes_archived
            ),
            f"{sums.dead_lettered} predictions were given up": sums.dead_lettered == 0,
            "release 2 never served": self.fault is not None,
            "no webhook told of the fault": self.detection is not None,
            f"the fault was seen in window {windows}, not within two": (
                windows is None or windows <= 2  # noqa: PLR2004 - the promise
            ),
            "the alias was not moved back": self.rollback is not None,
            "the server did not swap back": self.swapped_back is not None,
            "no webhook told of the recovery": self.recovery is not None,
            f"{self.false_rollbacks} rollbacks should not have been": self.false_rollbacks == 0,
            f"{self.refused_deliveries} webhooks had a wrong signature": (
                self.refused_deliveries == 0
            ),
        }
        return [what for what, came_true in checks.items() if not came_true]


def _is_on_the_fault(alert: dict[str, Any], status: str) -> bool:
    return (alert["rule"], alert["status"]) == (ROLLBACK_RULE, status)


class Audience:
    """Who is told how it goes; this one does not listen."""

    def says(self, line: str) -> None:
        """A turn of the story."""

    def expects(self, flights: int) -> None:
        """How many flights there are to come."""

    def hears(self, answer: Answer) -> None:
        """Some flights were predicted."""


def play(stage: Stage, plan: Plan, audience: Audience) -> Outcome:
    """Train, release, stream, ship the bug, and watch."""
    settings = stage.settings
    flights = Flights()
    with Registry.open(settings) as registry, _code("first") as first_code:
        audience.says("training on the flights of January")
        outcome = _prepare(registry, flights, first_code, settings.home)
        wait_for_server(stage, outcome.first.number)
        audience.says(f"release {outcome.first.number} serves at {stage.server}")
        live = LiveRelease(
            MODEL, outcome.first.number, outcome.first.model_version, outcome.first.code_version
        )
        audience.expects(flights.count(TRAINED_UNTIL, plan.until))
        with PredictionLogger(
            live,
            kafka=connection(settings),
            topic_prefix=settings.topic_prefix,
            environment=settings.environment,
        ) as log:
            traffic = Traffic(stage.server, log, plan.speed)
            ship = _Shipment(registry, outcome, plan.fault_at, audience.says)
            told = 0
            for answer in traffic.play(flights.between(TRAINED_UNTIL, plan.until), ship.at):
                _watch(outcome, answer, audience)
                for delivery in stage.receiver.deliveries[told:]:
                    for alert in delivery.alerts:
                        audience.says(f"webhook: {alert['summary']}")
                    told += 1
            traffic.close()
            log.flush(_PATIENCE)
        outcome.outcomes_sent = traffic.outcomes_sent
        flights.close()
        audience.says("all flights are through; waiting for the last to be archived")
        ledger = Ledger(settings)
        outcome.sums = ledger.settled(outcome.predictions_sent, outcome.outcomes_sent, _PATIENCE)
        ledger.close()
        outcome.moves = registry.history(MODEL, ALIAS)
    outcome.deliveries = stage.receiver.deliveries
    outcome.refused_deliveries = stage.receiver.refused
    return outcome


def _prepare(registry: Registry, flights: Flights, code: Path, home: Path) -> Outcome:
    """Release 1 in production, release 2 made and waiting."""
    training = list(flights.between(YEAR_BEGINS, TRAINED_UNTIL))
    artifact = home / "model.json"
    reference = train(training, load_code(code, "training"), artifact)
    version = registry.register_model(MODEL, artifact, reference, actor=_ACTOR)
    releases = []
    for name in ("first", "second"):
        with _code(name) as bundle:
            code_version = registry.register_code(MODEL, bundle, actor=_ACTOR)
        releases.append(
            registry.create_release(MODEL, version.id, code_version.id, actor=_ACTOR, reason=name)
        )
    first, second = releases
    registry.move_alias(
        MODEL, ALIAS, first.number, expected_generation=0, actor=_ACTOR, reason="first release"
    )
    return Outcome(first, second)


class _Shipment:
    """Moves the alias to release 2 when event time comes to it."""

    def __init__(
        self, registry: Registry, outcome: Outcome, due: int, say: Callable[[str], None]
    ) -> None:
        self._registry, self._outcome, self._due, self._say = registry, outcome, due, say

    def at(self, event_time: int) -> None:
        if event_time < self._due or self._outcome.shipped_at:
            return
        self._registry.move_alias(
            MODEL,
            ALIAS,
            self._outcome.second.number,
            expected_generation=1,
            actor=_ACTOR,
            reason="leaving early earns no bonus",
        )
        self._outcome.shipped_at = time.time()
        self._say(f"{_day(event_time)}: release 2 ships, with a bug in its inference code")


def _watch(outcome: Outcome, answer: Answer, audience: Audience) -> None:
    outcome.predictions_sent += answer.rows
    audience.hears(answer)
    if answer.release == outcome.second.number and outcome.fault is None:
        outcome.fault = answer
        audience.says(f"{_day(answer.first_departure)}: the server has swapped to release 2")
    back = outcome.fault is not None and answer.release == outcome.first.number
    if back and outcome.swapped_back is None:
        outcome.swapped_back = answer
        audience.says(f"{_day(answer.first_departure)}: the server is back at release 1")


def _code(name: str) -> AbstractContextManager[Path]:
    return as_file(files("kedge.demo") / "code" / name)


def _day(micros: int) -> str:
    return datetime.fromtimestamp(micros / _SECOND, UTC).strftime("%-d %B")
