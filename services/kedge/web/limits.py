"""Pure: how many requests each caller may make, by token buckets."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock


class RateLimits:
    """A bucket of `burst` requests for each caller, filled again at `rate` a second.

    Args:
        rate: requests a second.
        burst: most at once.
        most: callers that are remembered. The one that was silent for longest is forgotten first,
            which fills its bucket: with enough of them, that is what waiting would have done.
    """

    def __init__(self, rate: float, burst: int, most: int = 10_000) -> None:
        self._rate, self._burst, self._most = rate, float(burst), most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def wait(self, caller: str, now: float) -> float:
        """Take one request.

        Args:
            caller: whose.
            now: in seconds, of a clock that never goes back.

        Returns:
            0 if it was to be had, else the seconds until one will be.
        """
        with self._lock:
            left, since = self._buckets.pop(caller, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            taken = left >= 1.0
            self._buckets[caller] = (left - 1.0 if taken else left, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        return 0.0 if taken else (1.0 - left) / self._rate
