"""Alerts as CloudEvents 1.0, in JSON."""

from __future__ import annotations

from urllib.parse import quote

from kedge.contracts import Record
from kedge.webhooks.plain import plain, rfc3339


def cloud_event(alert: Record) -> Record:
    """The alert in structured mode. `data` has the fields of the `alert` contract."""
    model, release = quote(alert["model"], safe=""), alert["release"]
    return {
        "specversion": "1.0",
        "id": alert["id"],
        "source": f"/kedge/{quote(alert['environment'], safe='')}/models/{model}",
        "subject": f"releases/{release}",
        "type": f"io.kedge.alert.{alert['status']}",
        "time": rfc3339(alert["produced_at"]),
        "datacontenttype": "application/json",
        "data": plain(alert),
    }
