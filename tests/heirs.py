"""Processes that race for what a dead one left in a spool; in a module that they can import."""

from __future__ import annotations

from kedge.sdk.spool import Spool


def adopt(folder, most, barrier, results):
    """Adopt what there is when all are ready, and hand over the values."""
    spool = Spool(folder, most, print)
    barrier.wait(60)
    spool.adopt()
    results.put([kept.value for kept in drained(spool)])
    barrier.wait(60)
    spool.close()


def drained(spool):
    """Everything that a spool hands out, as if the broker took it at once."""
    found = []
    while (kept := spool.peek()) is not None:
        spool.advance()
        spool.done(kept)
        found.append(kept.message)
    return found
