"""What has to stand before any service runs: a broker and the topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kedge import broker
from kedge.settings import Settings
from kedge.streams.topics import create_topics


@contextmanager
def platform(settings: Settings) -> Iterator[Callable[[], None]]:
    """A broker with Kedge's topics; the embedded one is stopped at the end if it was started here.

    Yields:
        A function that starts the embedded broker again if it has died.

    Raises:
        KedgeError: no broker can be had; the text says what to do.
    """
    existing = "bootstrap.servers" in settings.kafka or broker.status(settings).answers

    def tend() -> None:
        if not existing:
            broker.start(settings)

    tend()
    try:
        create_topics(broker.connection(settings), settings)
        yield tend
    finally:
        if not existing:
            broker.stop(settings)
