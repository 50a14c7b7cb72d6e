"""What an endpoint needs from the environment: secrets stand in no policy and in no log."""

from __future__ import annotations

import os

from kedge.errors import KedgeError
from kedge.policy import Webhook, webhook_url_problem
from kedge.settings import Settings
from kedge.webhooks import pagerduty
from kedge.webhooks.request import Destination
from kedge.webhooks.signing import Signer


def destination(webhook: Webhook, settings: Settings) -> Destination:
    """The endpoint, ready to be posted to.

    Raises:
        KedgeError: a variable that the policy names is not set, or holds nothing usable.
    """
    key = ""
    if webhook.format == "pagerduty":
        assert webhook.routing_key_env is not None, "the policy was checked"
        key = _variable(webhook, webhook.routing_key_env, "key of a PagerDuty integration")
    return Destination(webhook, _url(webhook), _signer(webhook, settings), key)


def _url(webhook: Webhook) -> str:
    if webhook.url is not None:
        return webhook.url
    if webhook.url_env is None:
        return pagerduty.URL
    url = _variable(webhook, webhook.url_env, "URL to post to")
    problem = webhook_url_problem(url, allow_insecure=webhook.allow_insecure)
    if problem:
        # Without the text itself: it is a secret.
        raise KedgeError(f"webhook {webhook.name!r}: {webhook.url_env} holds {problem}")
    return url


def _signer(webhook: Webhook, settings: Settings) -> Signer | None:
    if webhook.secret_env is not None:
        text = _variable(webhook, webhook.secret_env, "secret to sign with")
        return Signer.from_text(text, webhook.secret_env)
    if not webhook.is_signed:
        return None
    secret = settings.alerting.webhook_secret
    where = "KEDGE_ALERTING__WEBHOOK_SECRET"
    if secret is None or not secret.get_secret_value().strip():
        raise KedgeError(
            f"webhook {webhook.name!r} has no secret to sign with: set {where}, or name another "
            "environment variable by secret_env in its [[webhooks]]"
        )
    return Signer.from_text(secret.get_secret_value(), where)


def _variable(webhook: Webhook, name: str, what: str) -> str:
    text = os.environ.get(name, "").strip()
    if not text:
        raise KedgeError(f"webhook {webhook.name!r} has no {what}: set {name}")
    return text
