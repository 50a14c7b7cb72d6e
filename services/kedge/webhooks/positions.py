"""How far a consumer may commit whose messages are done in any order."""

from __future__ import annotations


class Positions:
    """Offsets of the messages that are not done yet, by partition.

    >>> positions = Positions()
    >>> for offset in (5, 6, 7):
    ...     positions.begin(0, offset)
    >>> positions.done(0, 6)
    >>> positions.advanced()
    {0: 5}
    >>> positions.done(0, 5)
    >>> positions.advanced()
    {0: 7}
    >>> positions.committed({0: 7})
    >>> positions.advanced()
    {}
    """

    def __init__(self) -> None:
        self._open: dict[int, set[int]] = {}
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}

    def begin(self, partition: int, offset: int) -> None:
        """A message was read."""
        self._open.setdefault(partition, set()).add(offset)
        self._next[partition] = offset + 1

    def done(self, partition: int, offset: int) -> None:
        """A message will not be needed again; one of a partition that was lost says nothing."""
        self._open.get(partition, set()).discard(offset)

    def forget(self, partition: int) -> None:
        """The partition is another's now."""
        for each in (self._open, self._next, self._committed):
            each.pop(partition, None)

    def advanced(self) -> dict[int, int]:
        """Where to go on after a crash, for each partition where the broker has it otherwise."""
        positions = {
            partition: min(self._open[partition], default=following)
            for partition, following in self._next.items()
        }
        return {p: o for p, o in positions.items() if self._committed.get(p) != o}

    def committed(self, positions: dict[int, int]) -> None:
        """The broker has these."""
        self._committed.update(positions)
