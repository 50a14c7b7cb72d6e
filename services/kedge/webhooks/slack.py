"""Alerts as messages for a Slack incoming webhook.

Block Kit, and its limits on text: https://docs.slack.dev/reference/block-kit/blocks
"""

from __future__ import annotations

import re

from kedge.contracts import Record

_LONGEST_HEADER = 150
_LONGEST_SECTION = 3000
_SIGNS = {"critical": ":red_circle:", "warning": ":large_orange_circle:"}


def message(alert: Record) -> Record:
    """What happened in a headline, the sentence about it, what was done, and where."""
    firing = alert["status"] == "firing"
    sign = _SIGNS.get(alert["severity"], ":large_blue_circle:") if firing else ":white_check_mark:"
    headline = f"{sign} {alert['model']}: {alert['rule']}"
    text = _escaped(alert["summary"])
    if (decision := alert["decision"]) is not None:
        done = decision["action"].replace("_", " ").capitalize()
        answers = _answers(decision)
        text += f"\n*{_escaped(done)}.*{answers} {_escaped(decision['reason'])}"
    where = (
        f"release {alert['release']} · {alert['environment']} · {alert['severity']} · "
        f"incident {alert['incident']}"
    )
    return {
        # What a notification on a phone shows.
        "text": _cut(f"{alert['status']}: {_escaped(headline)}: {text}", _LONGEST_SECTION),
        "blocks": [
            {
                "type": "header",
                "text": {
                    "type": "plain_text",
                    "text": _cut(headline, _LONGEST_HEADER),
                    "emoji": True,
                },
            },
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": _cut(text, _LONGEST_SECTION)},
            },
            {"type": "context", "elements": [{"type": "mrkdwn", "text": _escaped(where)}]},
        ],
    }


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
