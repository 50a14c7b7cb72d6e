"""Notifications as Prometheus Alertmanager posts them to webhook receivers: version 4.

Whatever takes Alertmanager's notifications takes these:
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import json
from functools import reduce

from kedge.contracts import Record
from kedge.webhooks.notification import Notification
from kedge.webhooks.plain import rfc3339

_NO_END = "0001-01-01T00:00:00Z"
"""What Go writes for no time; receivers know it."""


def payload(notification: Notification) -> Record:
    """One notification; its alerts are Alertmanager's alerts."""
    alerts = [_alert(each) for each in notification.alerts]
    # Its name of the rule, which is a label as any other there.
    given = {"alertname" if k == "rule" else k: v for k, v in notification.group.items()}
    group = dict(sorted(given.items()))
    named = ", ".join(f"{name}={json.dumps(value)}" for name, value in group.items())
    return {
        "version": "4",
        "groupKey": f"{{}}:{{{named}}}",
        "truncatedAlerts": 0,
        "status": notification.status,
        "receiver": notification.endpoint,
        "groupLabels": group,
        "commonLabels": _common([alert["labels"] for alert in alerts]),
        "commonAnnotations": _common([alert["annotations"] for alert in alerts]),
        "externalURL": "",
        "alerts": alerts,
    }


def _alert(alert: Record) -> Record:
    return {
        "status": alert["status"],
        "labels": _labels(alert),
        "annotations": _annotations(alert),
        "startsAt": rfc3339(alert["starts_at"]),
        "endsAt": _NO_END if alert["ends_at"] is None else rfc3339(alert["ends_at"]),
        "generatorURL": "",
        "fingerprint": alert["fingerprint"],
    }


def _common(sets: list[dict[str, str]]) -> dict[str, str]:
    """What all have alike."""
    return reduce(lambda one, other: dict(one.items() & other.items()), sets)


def _labels(alert: Record) -> dict[str, str]:
    """What names the alert: the same when it fires and when it is resolved."""
    named = (
        "severity",
        "model",
        "environment",
        "release",
        "statistic",
        "role",
        "column",
        "kind",
        "segment",
    )
    labels = {name: str(alert[name]) for name in named if alert[name] is not None}
    return {"alertname": alert["rule"], **labels}


def _annotations(alert: Record) -> dict[str, str]:
    told = {
        "summary": alert["summary"],
        "incident": alert["incident"],
        "threshold": f"{alert['threshold']:g}",
    }
    if alert["value"] is not None:
        told["value"] = f"{alert['value']:.4g}"
    if (verdict := alert["verdict"]) is not None:
        told["blame"] = verdict["blame"]
        told["because"] = " ".join(verdict["because"])
    if (decision := alert["decision"]) is not None:
        told["decision"] = f"{decision['action']}: {decision['reason']}"
    return told
