"""Notifications as CloudEvents 1.0, in JSON."""

from __future__ import annotations

from urllib.parse import quote

from kedge.contracts import Record
from kedge.webhooks.notification import Notification
from kedge.webhooks.plain import plain, rfc3339


def cloud_event(notification: Notification, *, replay: bool = False) -> Record:
    """The notification in structured mode: an event is about a group, as a notification is.

    Args:
        notification: each entry of `data.alerts` has the fields of the `alert` contract.
        replay: adds the extension attribute `replay`.
    """
    environment = quote(notification.group["environment"], safe="")
    releases = notification.distinct("release")
    return {
        "specversion": "1.0",
        "id": notification.id,
        "source": f"/kedge/{environment}/models/{quote(notification.model, safe='')}",
        **({"subject": f"releases/{releases[0]}"} if len(releases) == 1 else {}),
        "type": f"io.kedge.alerts.{notification.status}",
        "time": rfc3339(notification.produced_at),
        "datacontenttype": "application/json",
        **({"replay": True} if replay else {}),
        "data": {
            "status": notification.status,
            "group": dict(notification.group),
            "alerts": [plain(alert) for alert in notification.alerts],
        },
    }
