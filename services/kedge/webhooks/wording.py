"""A notification in sentences, for formats that people read."""

from __future__ import annotations

from kedge.contracts import Record
from kedge.webhooks.notification import Notification

_MOST_NAMES = 5


def headline(notification: Notification) -> str:
    """Which model, which rules, and how many alerts."""
    count = len(notification.alerts)
    alerts = f" ({count} alerts)" if count > 1 else ""
    return f"{notification.model}: {listed(notification.distinct('rule'))}{alerts}"


def summary(notification: Notification) -> str:
    """One sentence: the alert's own where there is one; else how many, and on which columns."""
    if len(notification.alerts) == 1:
        return str(notification.alerts[0]["summary"])
    firing = len(notification.firing)
    over = len(notification.alerts) - firing
    counts = [f"{firing} fire"] * bool(firing) + [f"{over} are over"] * bool(over)
    columns = notification.distinct("column")
    where = f", on {listed(columns)}" if columns else ""
    releases = notification.distinct("release")
    of = f"release {releases[0]}" if len(releases) == 1 else f"releases {listed(releases)}"
    return f"{len(notification.alerts)} alerts of {of}: {' and '.join(counts)}{where}."


def decisions(notification: Notification) -> list[Record]:
    """What was decided on the alerts, each once."""
    made = [alert["decision"] for alert in notification.alerts if alert["decision"] is not None]
    # Proposals are answered one by one, each by a link of its own.
    named = {(each["action"], each["reason"], each.get("approve_url")): each for each in made}
    return list(named.values())


def listed(names: list[str]) -> str:
    """Names as a sentence has them, the first few of many.

    >>> listed(list("abcdefg"))
    'a, b, c, d, e and 2 more'
    """
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown
