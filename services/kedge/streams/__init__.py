"""The exactly-once micro-batch loop, and the topics as tables."""

from kedge.streams.committed import CommittedLog
from kedge.streams.known import KnownRelease
from kedge.streams.loop import run_transactionally
from kedge.streams.messages import Incoming, Outgoing, account_messages, dead_letter, incoming
from kedge.streams.processor import Processor, Source, TryAgainError
from kedge.streams.releases import Releases

__all__ = [
    "CommittedLog",
    "Incoming",
    "KnownRelease",
    "Outgoing",
    "Processor",
    "Releases",
    "Source",
    "TryAgainError",
    "account_messages",
    "dead_letter",
    "incoming",
    "run_transactionally",
]
