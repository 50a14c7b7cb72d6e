"""Where a policy's alerts are posted to."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from kedge.policy.matchers import Label
from kedge.policy.part import Part, Severity, refused

STANDARD_RETRIES = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""The schedule that Standard Webhooks recommends, in seconds between attempts."""

_LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
_Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def webhook_url_problem(url: str, *, allow_insecure: bool) -> str:
    """Why no alert is to be posted to a URL, without repeating it; empty for a good one."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"no URL: {error}"
    if parts.scheme not in ("http", "https") or not host or re.search(r"[\s\x00-\x1f]", url):
        return "no URL of an endpoint: like https://example.com/hook"
    if parts.username is not None:
        return "credentials in a URL, and these end up in logs: the signature is the proof"
    if parts.scheme == "http" and not allow_insecure and not _is_local(url):
        return "plain http to another machine: use https, or set allow_insecure = true"
    return ""


def _is_local(url: str) -> bool:
    """Whether a URL leads to this machine."""
    return _LOOPBACK.fullmatch(urlsplit(url).hostname or "") is not None


class Webhook(Part):
    """An endpoint that gets the alerts of the policy."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Also names its consumer group."
    )
    format: Literal["cloudevents", "alertmanager", "slack", "pagerduty"] = Field(
        "cloudevents", description="What the body looks like."
    )
    url: str | None = Field(None, description="Where the alerts are posted to.")
    url_env: _Variable | None = Field(
        None, description="Environment variable with that URL, where it is a secret, as Slack's is."
    )
    routing_key_env: _Variable | None = Field(
        None, description="For pagerduty: environment variable with the integration's key."
    )
    secret_env: _Variable | None = Field(
        None,
        description="Environment variable with one or more secrets `whsec_…`, separated by spaces; "
        "without it, the setting alerting.webhook_secret.",
    )
    severities: Annotated[tuple[Severity, ...], Field(strict=False, min_length=1)] = Field(
        get_args(Severity), description="Alerts of other severities are not sent."
    )
    retry_seconds: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False, max_length=50)
    ] = Field(
        STANDARD_RETRIES, description="Pauses between the attempts, a retry each; varied by 20 %."
    )
    group_by: Annotated[tuple[Label, ...], Field(strict=False)] = Field(
        ("release", "rule"),
        description="Alerts of one model and environment that have these labels alike are one "
        "notification.",
    )
    group_wait_seconds: float = Field(
        10.0,
        ge=0,
        description="How long the first alert of a group waits for others; one with a decision on "
        "a rollback does not wait.",
    )
    group_interval_seconds: float = Field(
        300.0,
        ge=0,
        description="How long after a group's notification the next one with news comes.",
    )
    repeat_interval_seconds: float = Field(
        14_400.0,
        gt=0,
        description="How long after it what still fires is told again.",
    )
    allow_insecure: bool = Field(
        default=False, description="Post over plain http to another machine too."
    )

    @model_validator(mode="after")
    def _addressed(self) -> Self:
        if self.url is not None and self.url_env is not None:
            raise refused("url_env", "an endpoint has one URL: either `url` or `url_env`")
        if self.url is not None:
            problem = webhook_url_problem(self.url, allow_insecure=self.allow_insecure)
            if problem:
                raise refused("url", problem)
        if self.format == "pagerduty":
            if self.routing_key_env is None:
                raise refused("format", "pagerduty needs `routing_key_env`")
        elif self.routing_key_env is not None:
            raise refused("routing_key_env", f"{self.format} has no routing key; pagerduty has")
        elif self.url is None and self.url_env is None:
            raise refused("name", "an endpoint needs `url`, or `url_env` where it is a secret")
        return self

    @property
    def is_signed(self) -> bool:
        """Whether its receivers can check a signature: the others have secrets of their own."""
        return self.format in ("cloudevents", "alertmanager")
