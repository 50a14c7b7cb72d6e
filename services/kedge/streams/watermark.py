"""Pure: how far event time has come, whatever the clocks of the producers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from kedge.contracts import Record

UNKNOWN = -(2**63)


@dataclass(slots=True)
class Progress:
    """How far event time has come in one model's predictions of one environment.

    Attributes:
        newest: latest event time by partition of the predictions topic.
        heard: when each of these last brought something, on this process's clock.
        watermark: no window that ends at or before it is expected to get more.
        forgotten: end of the last base window that is no longer kept.
        ahead: by how much event time had gone on with the clock before a restart.
    """

    newest: dict[int, int] = field(default_factory=dict)
    heard: dict[int, int] = field(default_factory=dict)
    watermark: int = UNKNOWN
    forgotten: int = UNKNOWN
    ahead: int = 0

    def hear(self, source: Record, now: int) -> None:
        """Take note of where a delta profile came from, `source` of the `profile` contract.

        Nothing happens after it has arrived. So an event time beyond its arrival comes from a clock
        that is ahead, and is taken for the arrival: one such producer then ages nobody's events.
        """
        partition = source["partition"]
        event_time = min(source["max_event_time"], source["max_arrival"])
        self.newest[partition] = max(self.newest.get(partition, UNKNOWN), event_time)
        self.heard[partition] = now
        self.ahead = 0

    def advance(self, now: int, *, out_of_orderness: int, idle_after: int) -> bool:
        """Move the watermark on; False when it stays. It never goes back."""
        reached = self._reached(now, idle_after)
        if reached is None or reached - out_of_orderness <= self.watermark:
            return False
        self.watermark = reached - out_of_orderness
        return True

    def _reached(self, now: int, idle_after: int) -> int | None:
        active = [
            newest
            for partition, newest in self.newest.items()
            if now - self.heard[partition] <= idle_after
        ]
        if active:
            return min(active)
        if not self.newest:
            return None
        quiet = now - max(self.heard.values())
        # In steps: each is written to the state, and a quiet night has many looks at the clock.
        return max(self.newest.values()) + self.ahead + quiet // idle_after * idle_after

    def to_json(self) -> Record:
        return {
            "watermark": self.watermark,
            "newest": sorted(self.newest.items()),
            "forgotten": self.forgotten,
        }

    @classmethod
    def from_json(cls, state: Record, now: int) -> Self:
        newest = dict(state["newest"])
        ahead = max(0, state["watermark"] - max(newest.values(), default=0))
        heard = dict.fromkeys(newest, now)
        return cls(newest, heard, state["watermark"], state["forgotten"], ahead)
