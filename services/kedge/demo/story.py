"""The story is played: faults come at their time, and what is said and done is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kedge.broker import connection
from kedge.demo.chapters import FEED, FIRST, TRAINED_UNTIL, WEATHER, Fix, Plan, day_text
from kedge.demo.flights import Flight, Flights
from kedge.demo.ledger import Ledger
from kedge.demo.outcome import Fixed, Incident, Outcome
from kedge.demo.releases import Releases
from kedge.demo.stage import ALIAS, MODEL, Stage, wait_for_server
from kedge.demo.traffic import Answer, Traffic
from kedge.registry import Registry
from kedge.sdk import LiveRelease, PredictionLogger

_PATIENCE = 120.0
"""Seconds for the last prediction to pass through everything."""


class Audience:
    """Who is told how it goes; this one does not listen."""

    def says(self, line: str) -> None:
        """A turn of the story."""

    def expects(self, flights: int) -> None:
        """How many flights there are to come."""

    def hears(self, answer: Answer) -> None:
        """Some flights were predicted."""


def play(stage: Stage, plan: Plan, audience: Audience) -> Outcome:
    """Train, release, stream, let every fault come, and watch."""
    settings = stage.settings
    flights = Flights()
    with Registry.open(settings) as registry:
        releases = Releases(registry, Path(settings.artifacts), settings.home)
        audience.says("training on the flights of January")
        releases.train(FIRST.model, flights)
        first = releases.ship(FIRST, "first release")
        for model in {c.ships.model for c in plan.chapters if c.ships} - {FIRST.model}:
            audience.says(f"training the model of {model}, which ships later")
            releases.train(model, flights)
        wait_for_server(stage, first.number)
        audience.says(f"release {first.number} serves at {stage.server}")
        # Outcomes are logged by whoever learns of them, under the name of any release.
        live = LiveRelease(MODEL, first.number, first.model_version, first.code_version)
        audience.expects(flights.count(TRAINED_UNTIL, plan.until))
        with PredictionLogger(
            live,
            kafka=connection(settings),
            topic_prefix=settings.topic_prefix,
            environment=settings.environment,
        ) as log:
            traffic = Traffic(stage.server, log, plan.speed)
            told = _Telling(stage, plan, releases, audience)
            outcome = told.outcome
            for answer in traffic.play(
                _with_feed(flights.between(TRAINED_UNTIL, plan.until)), told.before
            ):
                told.after(answer)
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
    for incident in outcome.incidents:
        incident.moves, incident.deliveries = outcome.moves, outcome.deliveries
    return outcome


def _with_feed(flights: Iterable[Flight]) -> Iterator[Flight]:
    """Flights as the feeds describe them."""
    for flight in flights:
        if flight.departed < FEED.begins:
            yield flight
        else:
            yield replace(flight, instance=flight.instance | dict.fromkeys(WEATHER))


class _Telling:
    """Brings on what is due, and notes what is seen of it."""

    def __init__(self, stage: Stage, plan: Plan, releases: Releases, audience: Audience) -> None:
        self._stage, self._releases, self._audience = stage, releases, audience
        self._chapters, self._fix = list(plan.chapters), plan.fix
        self._heard = 0
        self._release: int | None = None
        self.outcome = Outcome([])

    def before(self, event_time: int) -> None:
        """Bring on what is due by the time of the next request."""
        while self._chapters and self._chapters[0].begins <= event_time:
            chapter = self._chapters.pop(0)
            before = self._releases.current().number
            incident = Incident(chapter, before)
            self.outcome.incidents.append(incident)
            self._audience.says(f"{day_text(event_time)}: {chapter.told}")
            if chapter.ships is not None:
                incident.shipped = self._releases.ship(chapter.ships, chapter.name).number
        if self._fix is not None and self._fix.begins <= event_time:
            self._audience.says(f"{day_text(event_time)}: {self._fix.told}")
            self.outcome.fix = self._fixed(self._fix)
            self._fix = None

    def after(self, answer: Answer) -> None:
        """Note what an answer shows, and tell what webhooks brought meanwhile."""
        outcome = self.outcome
        outcome.predictions_sent += answer.rows
        self._audience.hears(answer)
        for incident in outcome.incidents:
            if incident.fault is None and incident.shipped in (None, answer.release):
                incident.fault = answer
            elif (
                incident.fault is not None
                and incident.swapped_back is None
                and incident.shipped is not None
                and answer.release == incident.before
            ):
                incident.swapped_back = answer
        if outcome.fix is not None and outcome.fix.served is None:
            outcome.fix.served = answer if answer.release == outcome.fix.release else None
        if answer.release != self._release and self._release is not None:
            self._audience.says(
                f"{day_text(answer.first_departure)}: the server has swapped to release "
                f"{answer.release}"
            )
        self._release = answer.release
        for delivery in self._stage.receiver.deliveries[self._heard :]:
            for alert in delivery.alerts:
                self._audience.says(f"webhook: {alert['summary']}")
            self._heard += 1

    def _fixed(self, fix: Fix) -> Fixed:
        before = self._releases.current()
        code_before, models_before = self._releases.stored()
        release = self._releases.ship(fix.ships, fix.told)
        code_after, models_after = self._releases.stored()
        (feed,) = (each for each in self.outcome.incidents if each.chapter is FEED)
        return Fixed(
            feed,
            release.number,
            release.model_version == before.model_version,
            models_before,
            models_after,
            code_after - code_before,
        )
