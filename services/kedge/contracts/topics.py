"""Names of the topics."""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_MESSAGE = 16 * 1024 * 1024
"""Bytes that a message of any topic may have, where Kedge makes the topics.

The statistics of a window of 10,000 features take 12 million.
"""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics under one prefix.

    >>> Topics("kedge").predictions
    'kedge.predictions'
    """

    prefix: str = "kedge"

    @property
    def predictions(self) -> str:
        return f"{self.prefix}.predictions"

    @property
    def outcomes(self) -> str:
        return f"{self.prefix}.outcomes"

    @property
    def profiles(self) -> str:
        return f"{self.prefix}.profiles"

    @property
    def performance(self) -> str:
        """Joined predictions, on their way from the evaluator to the assessor."""
        return f"{self.prefix}.performance"

    @property
    def statistics(self) -> str:
        return f"{self.prefix}.statistics"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}.alerts"

    @property
    def notifications(self) -> str:
        """What endpoints are to be told, on its way from the groups of alerts to each endpoint."""
        return f"{self.prefix}.notifications"

    @property
    def releases(self) -> str:
        """Compacted, one partition: the order of alias moves is the order of the log."""
        return f"{self.prefix}.releases"

    @property
    def deadletter(self) -> str:
        return f"{self.prefix}.deadletter"

    @property
    def accounts(self) -> str:
        """What became of the predictions, micro-batch by micro-batch."""
        return f"{self.prefix}.accounts"

    def state(self, service: str) -> str:
        """Compacted, partitioned like the service's input: what the service has to remember."""
        return f"{self.prefix}.{service}-state"
