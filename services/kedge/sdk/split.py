"""A canary: a release that gets a share of the traffic beside the one in production."""

from __future__ import annotations

import hashlib

from kedge.sdk.follower import Follower, NoReleaseError
from kedge.sdk.releases import LiveRelease


def in_share(model: str, alias: str, key: str, share: float) -> bool:
    """Whether requests with this routing key go to the canary.

    One key is always on the same side, in every process and language, and a share that grows only
    adds keys: the first eight bytes of the SHA-256 of `<model>/<alias>/<key>` in UTF-8, as a
    big-endian number divided by 2^64, are below the share.

    >>> keys = ("ann", "bob", "eva", "tom", "kim", "lee")
    >>> [key for key in keys if in_share("flights", "canary", key, 0.5)]
    ['bob', 'eva', 'tom']
    """
    digest = hashlib.sha256(f"{model}/{alias}/{key}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


class Split:
    """Sends each routing key to production's release or to the canary's.

        split = Split(follow("flights"), follow("flights", "canary"))
        log = PredictionLogger(split)
        release = split.route(customer)               # predict with its model and code
        log.prediction(features, output, release=release)

    The share is the one that the canary's alias was moved with: `kedge alias move flights canary 4
    --share 0.1`. Without one, without a canary, and while none is known, all goes to production.

    Args:
        production: follows the alias that most of the traffic goes to.
        canary: follows the canary's alias.
    """

    def __init__(self, production: Follower, canary: Follower) -> None:
        self._production, self._canary = production, canary

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._production.model

    @property
    def live(self) -> LiveRelease:
        """Production's release.

        Raises:
            NoReleaseError: there is none, or it is not known here yet.
        """
        return self._production.live

    def route(self, key: str) -> LiveRelease:
        """The release that requests with this key go to.

        Args:
            key: what shall stay on one side: a customer, a session, a request.

        Raises:
            NoReleaseError: it is production's, and there is none.
        """
        try:
            canary = self._canary.live
        except NoReleaseError:
            return self.live
        share = canary.share or 0.0
        return canary if in_share(canary.model, self._canary.alias, key, share) else self.live
