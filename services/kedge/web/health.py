"""Whether what the API stands on can be reached, found out and not believed."""

from __future__ import annotations

import time
from threading import Lock
from typing import Literal

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from kedge.broker import connection
from kedge.errors import KedgeError
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.streams.clients import admin
from kedge.web.archive import ArchiveReader
from kedge.web.metrics import Metrics
from kedge.web.problems import ApiError

State = Literal["reached", "unreachable"]

_KAFKA_TIMEOUT = 3.0
_FRESH = 2.0
"""Seconds for which an answer is given again: a probe each second is to be no load."""

_log = structlog.get_logger(__name__)


class Health:
    """Asks the registry, the archive and Kafka, one caller at a time."""

    def __init__(
        self, settings: Settings, registry: Registry, archive: ArchiveReader, metrics: Metrics
    ) -> None:
        self._settings, self._registry, self._archive = settings, registry, archive
        self._metrics = metrics
        self._client: AdminClient | None = None
        self._found: dict[str, State] = {}
        self._looked = float("-inf")
        self._lock = Lock()

    def look(self) -> dict[str, State]:
        """What was reached, not longer than two seconds ago."""
        with self._lock:
            if time.monotonic() - self._looked >= _FRESH:
                self._found = {
                    name: "reached" if self._reached(name) else "unreachable"
                    for name in ("registry", "archive", "kafka")
                }
                self._looked = time.monotonic()
            return dict(self._found)

    def _reached(self, name: str) -> bool:
        try:
            if name == "registry":
                self._registry.listings.models(None, 1)
            elif name == "archive":
                self._archive.rows("SELECT 1 FROM statistics LIMIT 1", {})
            else:
                self._ask_kafka()
        except (KedgeError, KafkaException, ApiError) as error:
            _log.warning("unreachable", dependency=name, error=str(error))
            reached = False
        else:
            reached = True
        self._metrics.ready(name, reached=reached)
        return reached

    def _ask_kafka(self) -> None:
        client = self._client or admin(connection(self._settings))
        # A client that got no answer may know an address that is none any more.
        self._client = None
        client.list_topics(timeout=_KAFKA_TIMEOUT)
        self._client = client
