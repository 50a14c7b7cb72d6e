"""One attempt to deliver, and when the next one is due."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx

from kedge.webhook_settings import WebhookSettings
from kedge.webhooks.guard import Guard, GuardedTransport

TIMEOUT = 15.0
"""Seconds for each of connecting, sending and waiting for the answer."""

_LONGEST_WAIT = 86_400.0
_JITTER = 0.2

_random = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it.

    Attributes:
        delivered: the endpoint took it.
        gone: the endpoint wants no more.
        answer: what it said, for a person.
        retry_after: seconds that it asked to wait.
    """

    delivered: bool
    gone: bool
    answer: str
    retry_after: float = 0.0


def client(settings: WebhookSettings) -> httpx.Client:
    """A client for one endpoint, which connects only to where that is allowed."""
    transport = None if settings.proxy else GuardedTransport(Guard(settings.allow))
    return httpx.Client(
        timeout=TIMEOUT,
        # A redirect could lead the alert where the policy's author never meant it to go.
        follow_redirects=False,
        # A proxy that is there for others would connect without the guard.
        trust_env=False,
        transport=transport,
        proxy=settings.proxy,
        headers={"user-agent": "kedge-webhooks"},
    )


def post(http: httpx.Client, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
    """Try once."""
    try:
        # The answer's body is not read: nobody needs it, and it might have no end.
        with http.stream("POST", url, content=body, headers=dict(headers)) as response:
            return _judged(response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Attempt(delivered=False, gone=False, answer=f"{type(error).__name__}: {error}")


def pause(schedule: Sequence[float], attempts: int, retry_after: float) -> float | None:
    """Seconds until the next attempt; None when the schedule is at its end.

    Args:
        schedule: pauses between the attempts.
        attempts: how many were made.
        retry_after: how long the endpoint asked to wait at least.
    """
    if attempts > len(schedule):
        return None
    varied = schedule[attempts - 1] * _random.uniform(1 - _JITTER, 1 + _JITTER)
    return max(varied, retry_after)


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds that a Retry-After header asks to wait, a day at most; 0 where it says nothing.

    >>> retry_after("120", datetime(2024, 1, 1, tzinfo=UTC))
    120.0
    >>> retry_after("Mon, 01 Jan 2024 00:00:05 GMT", datetime(2024, 1, 1, tzinfo=UTC))
    5.0
    """
    if value is None:
        return 0.0
    if value.strip().isdecimal():
        seconds = float(value)
    else:
        try:
            until = parsedate_to_datetime(value)
        except ValueError:
            return 0.0
        # "-0000" in place of GMT gives a time without a zone.
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        seconds = (until - now).total_seconds()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _judged(response: httpx.Response) -> Attempt:
    status = response.status_code
    answer = f"{status} {response.reason_phrase}".strip()
    if response.has_redirect_location:
        answer += ", and redirects are not followed"
    return Attempt(
        delivered=response.is_success,
        gone=status == HTTPStatus.GONE,
        answer=answer,
        retry_after=retry_after(response.headers.get("retry-after"), datetime.now(UTC)),
    )
