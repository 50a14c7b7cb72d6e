"""Flights to the inference server at the pace of the story, and outcomes once they landed."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from kedge.demo.flights import Flight
from kedge.sdk import PredictionLogger

_SECOND = 1_000_000
_HOUR = 3600 * _SECOND
_MOST = 500
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to one request.

    Attributes:
        release: which release answered.
        first_departure: event time of the request's first flight, microseconds since 1970 UTC.
        last_departure: of its last one.
        rows: flights in it.
        received_at: seconds since 1970 UTC.
    """

    release: int
    first_departure: int
    last_departure: int
    rows: int
    received_at: float


class Traffic:
    """Predictions asked for in order of departure, truths logged in order of landing.

    Memory is bounded by the flights that are in the air.

    Args:
        server: base address of the inference server.
        log: for the outcomes.
        speed: seconds of event time in a second.
    """

    def __init__(self, server: str, log: PredictionLogger, speed: float) -> None:
        self._client = httpx.Client(base_url=server, timeout=30.0)
        self._log, self._speed = log, speed
        self._airborne: list[tuple[int, str, bool]] = []
        self.outcomes_sent = 0

    def close(self) -> None:
        self._client.close()

    def play(self, flights: Iterable[Flight], before: Callable[[int], None]) -> Iterator[Answer]:
        """Send everything; an answer a request.

        Args:
            flights: in order of departure.
            before: called with the event time of each request before it is sent.
        """
        started: float | None = None
        origin = 0
        for request in _requests(flights):
            departure = request[0].departed
            if started is None:
                started, origin = time.monotonic(), departure
            due = started + (departure - origin) / _SECOND / self._speed
            time.sleep(max(0.0, due - time.monotonic()))
            before(departure)
            self._land(departure)
            yield self._ask(request)
        self._land(None)

    def _ask(self, flights: list[Flight]) -> Answer:
        answer = self._post(
            {
                "instances": [flight.instance for flight in flights],
                "event_times": [_text(flight.departed) for flight in flights],
            }
        )
        for flight, name in zip(flights, answer["ids"], strict=True):
            if flight.landed is not None and flight.late is not None:
                heapq.heappush(self._airborne, (flight.landed, name, flight.late))
        return Answer(
            answer["release"],
            flights[0].departed,
            flights[-1].departed,
            len(flights),
            time.time(),
        )

    # The connection may break before the request is taken, never after: nothing is asked twice.
    @retry(
        retry=retry_if_exception_type(httpx.ConnectError),
        stop=stop_after_delay(_PATIENCE),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        response = self._client.post("/predict", json=body)
        response.raise_for_status()
        answer: dict[str, Any] = response.json()
        return answer

    def _land(self, until: int | None) -> None:
        """Log the truth of what has landed by then; of everything when None."""
        while self._airborne and (until is None or self._airborne[0][0] <= until):
            landed, name, late = heapq.heappop(self._airborne)
            self._log.outcome(name, late, known_at=landed)
            self.outcomes_sent += 1


def _requests(flights: Iterable[Flight]) -> Iterator[list[Flight]]:
    """The flights of an hour together, as an airport's system would ask."""
    for _hour, group in groupby(flights, key=lambda flight: flight.departed // _HOUR):
        together = list(group)
        for start in range(0, len(together), _MOST):
            yield together[start : start + _MOST]


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / _SECOND, UTC).isoformat()
