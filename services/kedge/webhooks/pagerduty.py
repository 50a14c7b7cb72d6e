"""Notifications as events for PagerDuty's Events API v2.

Fields and limits: https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

from kedge.contracts import Record
from kedge.webhooks.notification import Notification
from kedge.webhooks.plain import plain, rfc3339
from kedge.webhooks.wording import decisions, headline, listed, summary

URL = "https://events.pagerduty.com/v2/enqueue"
_LONGEST_SUMMARY = 1024
_MOST_ALERTS = 50
"""Told with the event, which may have 512 KB."""


def event(notification: Notification, routing_key: str) -> Record:
    """Opens or resolves PagerDuty's incident of the group, whose name is what it is joined by.

    Args:
        notification: what is to be told.
        routing_key: of the service in PagerDuty; a secret.
    """
    group, statistics = notification.group, notification.distinct("statistic")
    releases = notification.distinct("release")
    of = f"/release-{releases[0]}" if len(releases) == 1 else ""
    alerts = [{**alert, "evidence": []} for alert in notification.alerts[:_MOST_ALERTS]]
    return {
        "routing_key": routing_key,
        "event_action": "trigger" if notification.status == "firing" else "resolve",
        "dedup_key": notification.group_id,
        "client": "Kedge",
        "payload": {
            "summary": f"{headline(notification)}: {summary(notification)}"[:_LONGEST_SUMMARY],
            "source": f"{group['environment']}/{notification.model}{of}",
            "severity": notification.severity,
            "timestamp": rfc3339(min(alert["starts_at"] for alert in notification.alerts)),
            "component": listed(notification.distinct("column") or statistics),
            "group": notification.model,
            "class": listed(statistics),
            "custom_details": {
                "group": dict(group),
                "decisions": plain(decisions(notification)),
                "alerts": plain(alerts),
                "alerts_left_out": len(notification.alerts) - len(alerts),
            },
        },
    }
