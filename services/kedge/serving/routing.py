"""Which loaded release answers a request: production's, or for a share of them a canary's."""

from __future__ import annotations

import uuid

from kedge.sdk.split import in_share
from kedge.serving.live import LiveModel, Loaded


class Routing:
    """Production, and a canary beside it where there is one."""

    def __init__(self, production: LiveModel, canary: LiveModel | None = None) -> None:
        self.production, self.canary = production, canary

    def loaded(self, key: str | None) -> Loaded:
        """The release for a request; a canary that can't be loaded gets none.

        Args:
            key: requests with the same get the same release; None for one of no key.
        """
        live = self.canary
        canary = None if live is None or live.failure is not None else live.loaded
        if canary is not None and canary.release.share:
            release, alias = canary.release, canary.release.alias or ""
            if in_share(release.model, alias, key or uuid.uuid4().hex, release.share or 0.0):
                return canary
        return self.production.current
