"""Pure: what became of the messages of a micro-batch, as records of the `account` contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass, field, fields
from typing import Literal

from kedge.contracts import PredictionBatch, Producer, Record, Tags
from kedge.streams.sequences import Run, joined

Fate = Literal["rows_profiled", "rows_dead_lettered", "rows_duplicate", "rows_late"]

NO_MODEL = ""
"""The model of messages that can't be read."""

_NOBODY = Tags(NO_MODEL, "", "", 0, "")
_TAGS = tuple(each.name for each in fields(Tags))
_LONGEST_ID = 256
_LARGEST_NUMBER = 2**62
_MOST_PRODUCERS = 1000
"""Entries in one account, so that it stays far below what a topic takes."""


@dataclass(slots=True)
class _Account:
    """Of one release in one partition."""

    first_offset: int
    last_offset: int
    messages: int = 0
    messages_unreadable: int = 0
    rows_received: int = 0
    rows_unnumbered: int = 0
    fates: dict[Fate, int] = field(default_factory=dict)
    runs: dict[str, list[Run]] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)

    def cover(self, first: int, last: int) -> None:
        self.first_offset = min(self.first_offset, first)
        self.last_offset = max(self.last_offset, last)


class Accounts:
    """The accounts of one micro-batch.

    Args:
        service: whose they are.
    """

    def __init__(self, service: str) -> None:
        self._service = service
        self._accounts: dict[tuple[int, Tags], _Account] = {}

    def unreadable(self, partition: int, offset: int) -> None:
        """A message of which nobody knows what it holds."""
        account = self._of(partition, _NOBODY, offset, offset)
        account.messages += 1
        account.messages_unreadable += 1

    def received(
        self, partition: int, offset: int, predictions: PredictionBatch, fate: Fate
    ) -> None:
        """A message of predictions, all of which had one fate."""
        rows, producer = predictions.rows, predictions.producer
        account = self._of(partition, predictions.tags, offset, offset)
        account.messages += 1
        account.rows_received += rows
        account.fates[fate] = account.fates.get(fate, 0) + rows
        if not is_numbered(producer):
            account.rows_unnumbered += rows
            return
        assert producer is not None
        run = Run(producer.sequence, producer.sequence + rows)
        account.runs.setdefault(producer.id, []).append(run)
        account.dropped[producer.id] = max(account.dropped.get(producer.id, 0), producer.dropped)

    def refused(self, delta: Record, fate: Fate) -> None:
        """A delta profile that no window takes: predictions that were profiled, and no more."""
        source = delta["source"]
        tags = Tags(*(delta[name] for name in _TAGS))
        account = self._of(source["partition"], tags, source["first_offset"], source["last_offset"])
        account.fates[fate] = account.fates.get(fate, 0) + delta["rows"]

    def records(self) -> Iterator[Record]:
        """One for each partition and release, in order; more where the producers are very many."""
        for (partition, tags), account in sorted(
            self._accounts.items(), key=lambda item: (item[0][0], astuple(item[0][1]))
        ):
            producers = [
                {
                    "id": name,
                    "kind": "predictions",
                    "first_sequence": run.first,
                    "next_sequence": run.following,
                    "dropped": account.dropped[name],
                }
                for name, runs in account.runs.items()
                for run in joined(runs) or [max(runs)]
            ]
            record: Record = {
                "service": self._service,
                **{name: getattr(tags, name) for name in _TAGS},
                "partition": partition,
                "first_offset": account.first_offset,
                "last_offset": account.last_offset,
            }
            counts: Record = {
                "messages": account.messages,
                "messages_unreadable": account.messages_unreadable,
                "rows_received": account.rows_received,
                "rows_unnumbered": account.rows_unnumbered,
            } | account.fates
            yield record | counts | {"producers": producers[:_MOST_PRODUCERS]}
            for start in range(_MOST_PRODUCERS, len(producers), _MOST_PRODUCERS):
                yield record | {"producers": producers[start : start + _MOST_PRODUCERS]}

    def _of(self, partition: int, tags: Tags, first: int, last: int) -> _Account:
        account = self._accounts.setdefault((partition, tags), _Account(first, last))
        account.cover(first, last)
        return account


def is_numbered(producer: Producer | None) -> bool:
    """Whether a producer numbers its events in a way that can be followed."""
    return (
        producer is not None
        and len(producer.id) <= _LONGEST_ID
        and 0 <= producer.sequence < _LARGEST_NUMBER
        and 0 <= producer.dropped < _LARGEST_NUMBER
    )
