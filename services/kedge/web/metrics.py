"""What Prometheus asks of this service."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The metrics of one application. Their labels come from the routes and never from a client."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "kedge_web_requests_total",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "kedge_web_request_duration_seconds",
            "From a request's first line to the end of its answer.",
            ("method", "route"),
            buckets=_BOUNDS,
            registry=self._registry,
        )
        self._ready = Gauge(
            "kedge_web_ready",
            "Whether what this service needs could be reached when it was asked last.",
            ("dependency",),
            registry=self._registry,
        )

    def request(self, method: str, route: str | None, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: of the request.
            route: template of its path; None where there is none for it.
            status: of the answer.
            seconds: how long it took.
        """
        labels = (method if method in _METHODS else "other", route or "none")
        self._requests.labels(*labels, str(status)).inc()
        self._seconds.labels(*labels).observe(seconds)

    def ready(self, dependency: str, *, reached: bool) -> None:
        self._ready.labels(dependency).set(reached)

    def exposition(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)
