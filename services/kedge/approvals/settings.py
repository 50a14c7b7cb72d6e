"""Approval links as the settings want them."""

from __future__ import annotations

from kedge.approvals.links import ApprovalLinks
from kedge.settings import Settings


def approval_links(settings: Settings) -> ApprovalLinks | None:
    """How links are made; None where a secret or the place that they lead to is not set."""
    secret, base = settings.alerting.approval_secret, settings.alerting.approval_url
    if secret is None or base is None:
        return None
    return ApprovalLinks(secret.get_secret_value().encode(), base)
