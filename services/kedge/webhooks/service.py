"""The service: a thread for each endpoint of the policies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import Event, Thread

import structlog

from kedge import policies
from kedge.broker import connection
from kedge.contracts import Record, Topics
from kedge.errors import KedgeError
from kedge.policy import Policy, Webhook, policy_for
from kedge.settings import Settings
from kedge.webhooks.endpoint import Endpoint, Wanted
from kedge.webhooks.signing import Signer

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
            signer = _signer(webhook, settings)
            yield Endpoint(
                webhook,
                signer,
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


def _signer(webhook: Webhook, settings: Settings) -> Signer:
    if webhook.secret_env is not None:
        where, text = webhook.secret_env, os.environ.get(webhook.secret_env, "")
    else:
        where, secret = "KEDGE_ALERTING__WEBHOOK_SECRET", settings.alerting.webhook_secret
        text = "" if secret is None else secret.get_secret_value()
    if not text.strip():
        raise KedgeError(
            f"webhook {webhook.name!r} has no secret to sign with: set {where}, or name another "
            "environment variable by secret_env in its [[webhooks]]"
        )
    return Signer.from_text(text, where)
