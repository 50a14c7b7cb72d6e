"""Encoded messages kept on disk until the broker has them: a process that is killed loses none.

spool = Spool(folder, most, note)    of one logger in one process
spool.keep(message)                  written before it is sent
spool.peek(), spool.advance()        what is to be sent next: its own, and what the dead left
spool.done(kept)                     the broker has it
"""

from __future__ import annotations

from kedge.sdk.spool.spool import Kept, Spool

__all__ = ["Kept", "Spool"]
