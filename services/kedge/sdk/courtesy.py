"""How the background thread keeps out of the callers' way."""

from __future__ import annotations

import time

_PIECE = 100e-6
# Not 0: then this thread would take the interpreter again before another has woken up to take it.
_OFFER = 1e-6


class Courtesy:
    """Lets the callers' threads run between two pieces of work.

    Python gives the interpreter away every 5 ms only, unless it is given up before: a request that
    comes while a batch is being encoded would wait for that long. So it is offered after every
    0.1 ms of work; and if others then kept it for longer, as long is worked in turn before the next
    offer, so that callers that never pause leave the background thread its fair half.
    """

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def give_way(self) -> None:
        """To be called after each small piece of work."""
        offered = time.perf_counter()
        if offered < self._next:
            return
        time.sleep(_OFFER)
        back = time.perf_counter()
        self._next = back + max(_PIECE, back - offered)
