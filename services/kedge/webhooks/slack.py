"""Notifications as messages for a Slack incoming webhook.

Block Kit, and its limits on text: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re

from kedge.contracts import Record
from kedge.webhooks.notification import Notification
from kedge.webhooks.wording import decisions, headline, listed, summary

_LONGEST_HEADER = 150
_LONGEST_SECTION = 3000
_MOST_LINES = 20
_SIGNS = {"critical": ":red_circle:", "warning": ":large_orange_circle:"}


def message(notification: Notification) -> Record:
    """What happened in a headline, the sentences about it, what was done, and where."""
    firing = notification.status == "firing"
    sign = ":white_check_mark:"
    if firing:
        sign = _SIGNS.get(notification.severity, ":large_blue_circle:")
    title = f"{sign} {headline(notification)}"
    text = "\n".join(_lines(notification))
    where = (
        f"release {listed(notification.distinct('release'))} · "
        f"{notification.group['environment']} · {notification.severity} · "
        f"incident {listed(notification.distinct('incident'))}"
    )
    return {
        # What a notification on a phone shows.
        "text": _cut(f"{notification.status}: {_escaped(title)}: {text}", _LONGEST_SECTION),
        "blocks": [
            {
                "type": "header",
                "text": {"type": "plain_text", "text": _cut(title, _LONGEST_HEADER), "emoji": True},
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": _cut(text, _LONGEST_SECTION)},
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(where)}]},
        ],
    }


def _lines(notification: Notification) -> list[str]:
    """The sentence, what was done, and of several alerts each one's sentence."""
    done = [
        f"*{_escaped(each['action'].replace('_', ' ').capitalize())}.*{_answers(each)} "
        f"{_escaped(each['reason'])}"
        for each in decisions(notification)
    ]
    alerts = notification.alerts if len(notification.alerts) > 1 else ()
    more = [f"… and {len(alerts) - _MOST_LINES} more"] if len(alerts) > _MOST_LINES else []
    each = [f"• {_escaped(alert['summary'])}" for alert in alerts[:_MOST_LINES]]
    return [_escaped(summary(notification)), *done, *each, *more]


def _answers(decision: Record) -> str:
    """Links to answer a proposal by, where there are any: first, so that no cut reaches them."""
    urls = {answer: decision.get(f"{answer}_url") for answer in ("approve", "reject")}
    return "".join(f" <{url}|{answer.capitalize()}>." for answer, url in urls.items() if url)


def _escaped(text: str) -> str:
    """Text in which no name can mention `@channel` or make a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    # Not in the middle of what was escaped.
    return f"{re.sub('&[a-z]*$', '', text[: most - 1])}…"
