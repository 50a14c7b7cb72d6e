"""Alerts as events for PagerDuty's Events API v2.

Fields and limits: https://developer.pagerduty.com/docs/send-alert-event
"""

from __future__ import annotations

from kedge.contracts import Record
from kedge.webhooks.plain import plain, rfc3339

URL = "https://events.pagerduty.com/v2/enqueue"
_LONGEST_SUMMARY = 1024
_SEVERITIES = {"critical": "critical", "warning": "warning", "info": "info"}


def event(alert: Record, routing_key: str) -> Record:
    """Opens or resolves the incident of the alert: its name is the key that PagerDuty joins by.

    Args:
        alert: as in the `alert` contract.
        routing_key: of the service in PagerDuty; a secret.
    """
    summary = f"{alert['model']}: {alert['rule']}: {alert['summary']}"
    return {
        "routing_key": routing_key,
        "event_action": "trigger" if alert["status"] == "firing" else "resolve",
        "dedup_key": alert["incident"],
        "client": "Kedge",
        "payload": {
            "summary": summary[:_LONGEST_SUMMARY],
            "source": f"{alert['environment']}/{alert['model']}/release-{alert['release']}",
            "severity": _SEVERITIES[alert["severity"]],
            "timestamp": rfc3339(alert["starts_at"]),
            "component": alert["column"] or alert["statistic"],
            "group": alert["model"],
            "class": alert["statistic"],
            "custom_details": plain(alert),
        },
    }
