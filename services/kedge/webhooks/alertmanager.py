"""Alerts as Prometheus Alertmanager posts them to its webhook receivers: version 4 of its payload.

Whatever takes Alertmanager's notifications takes these:
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from kedge.contracts import Record
from kedge.webhooks.plain import rfc3339

_NO_END = "0001-01-01T00:00:00Z"
"""What Go writes for no time; receivers know it."""


def notification(alert: Record, endpoint: str) -> Record:
    """One alert, as a group of its own.

    Args:
        alert: as in the `alert` contract.
        endpoint: name of the endpoint in the policy.
    """
    labels = _labels(alert)
    annotations = _annotations(alert)
    return {
        "version": "4",
        "groupKey": f'{{}}/{{model="{alert["model"]}"}}:{{incident="{alert["incident"]}"}}',
        "truncatedAlerts": 0,
        "status": alert["status"],
        "receiver": endpoint,
        "groupLabels": {"alertname": labels["alertname"], "model": labels["model"]},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "",
        "alerts": [
            {
                "status": alert["status"],
                "labels": labels,
                "annotations": annotations,
                "startsAt": rfc3339(alert["starts_at"]),
                "endsAt": _NO_END if alert["ends_at"] is None else rfc3339(alert["ends_at"]),
                "generatorURL": "",
                "fingerprint": alert["fingerprint"],
            }
        ],
    }


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
    if (decision := alert["decision"]) is not None:
        told["decision"] = f"{decision['action']}: {decision['reason']}"
    return told
