"""The service: a thread for each endpoint of the policies."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import structlog

from kedge import policies
from kedge.broker import connection
from kedge.contracts import Record, Topics
from kedge.policy import Policy, Webhook, policy_for
from kedge.settings import Settings
from kedge.webhooks.endpoint import Endpoint, Wanted
from kedge.webhooks.secrets import destination

_CHECK = 0.2
_LONGEST_ATTEMPT = 60.0

_log = structlog.get_logger(__name__)


def run(settings: Settings, stop: Event) -> None:
    """Deliver alerts until `stop` is set.

    Raises:
        KedgeError: a policy or a secret is not as it should be.
    """
    endpoints = list(_endpoints(settings))
    if not endpoints:
        _log.warning("no_endpoint", detail="no policy has [[webhooks]]: nobody is told of alerts")
    halt, failures = Event(), list[BaseException]()

    def guarded(endpoint: Endpoint) -> None:
        try:
            endpoint.run(halt)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that can end the service
            failures.append(error)

    threads = [
        Thread(target=guarded, args=(endpoint,), name=f"endpoint-{number}", daemon=True)
        for number, endpoint in enumerate(endpoints)
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


def _endpoints(settings: Settings) -> Iterator[Endpoint]:
    watched = policies.configured(settings)
    for policy in watched:
        for webhook in policy.webhooks:
            yield Endpoint(
                destination(webhook, settings),
                _wanted(watched, policy, webhook),
                connection(settings),
                Topics(settings.topic_prefix),
            )


def _wanted(watched: tuple[Policy, ...], policy: Policy, webhook: Webhook) -> Wanted:
    """Whether an alert is the endpoint's: made by its policy, of a severity that it asked for."""

    def wanted(alert: Record) -> bool:
        return (
            policy_for(watched, alert["model"], alert["environment"]) is policy
            and alert["severity"] in webhook.severities
        )

    return wanted
