"""The service: a thread that groups alerts, and one for each endpoint of the policies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event, Thread

import structlog

from kedge import policies
from kedge.broker import connection
from kedge.contracts import Topics
from kedge.policy import Policy
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.streams import Source, run_transactionally
from kedge.webhooks.endpoint import Endpoint
from kedge.webhooks.notifier import Notifier
from kedge.webhooks.secrets import destination

_CHECK = 0.2
_LONGEST_ATTEMPT = 60.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, stop: Event) -> None:
    """Deliver alerts until `stop` is set.

    Raises:
        KedgeError: a policy or a secret is not as it should be.
    """
    watched = policies.configured(settings)
    endpoints = _endpoints(watched, settings)
    if not endpoints:
        _log.warning("no_endpoint", detail="no policy has [[webhooks]]: nobody is told of alerts")
    halt, failures = Event(), list[BaseException]()

    def guarded(part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that can end the service
            failures.append(error)

    parts = [
        partial(_notify, watched, settings, halt),
        *(partial(endpoint.run, halt) for endpoint in endpoints),
    ]
    threads = [
        Thread(target=guarded, args=(part,), name=f"webhooks-{number}", daemon=True)
        for number, part in enumerate(parts)
    ]
    for thread in threads:
        thread.start()
    while not stop.wait(_CHECK) and not failures:
        pass
    halt.set()
    for thread in threads:
        thread.join(_LONGEST_ATTEMPT)
    if failures:
        raise failures[0]


def _notify(watched: tuple[Policy, ...], settings: Settings, stop: Event) -> None:
    """Make notifications of alerts until `stop` is set."""
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    source = Source(topics.alerts, "webhooks", f"{settings.topic_prefix}.webhooks")
    with Registry.open(settings) as registry:
        notifier = Notifier(watched, registry, topics, kafka)
        run_transactionally(source, notifier, kafka, settings, stop)


def _endpoints(watched: tuple[Policy, ...], settings: Settings) -> list[Endpoint]:
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    return [
        Endpoint(destination(webhook, settings), settings.webhooks, kafka, topics)
        for policy in watched
        for webhook in policy.webhooks
    ]
