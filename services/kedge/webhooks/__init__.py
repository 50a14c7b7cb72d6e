"""Alerts, told to the endpoints of the policies: grouped, signed, retried, each at its own pace."""

from kedge.webhooks.service import run

__all__ = ["run"]
