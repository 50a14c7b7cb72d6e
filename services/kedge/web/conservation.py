"""The doctor's report, made for one caller at a time and kept a while: it reads whole topics."""

from __future__ import annotations

import time
from threading import Lock

import structlog
from confluent_kafka import KafkaException

from kedge.doctor import Report, examine, gather
from kedge.errors import KedgeError
from kedge.settings import Settings
from kedge.web import problems
from kedge.web.problems import ApiError

_FRESH = 30.0
_log = structlog.get_logger(__name__)


class Conservation:
    """What became of every prediction that was sent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._report: Report | None = None
        self._made = 0.0
        self._lock = Lock()

    def report(self) -> Report:
        """The report, not older than half a minute.

        Raises:
            ApiError: Kafka does not answer.
        """
        with self._lock:
            if self._report is None or time.monotonic() - self._made >= _FRESH:
                try:
                    self._report = examine(gather(self._settings))
                except (KedgeError, KafkaException) as error:
                    _log.error("not_examined", error=str(error))
                    raise ApiError(
                        problems.UNAVAILABLE,
                        "Kafka, which knows what was sent, does not answer",
                        headers={"Retry-After": "5"},
                    ) from error
                self._made = time.monotonic()
            return self._report
