"""What became of a release's predictions, as statistics of a window of the broker's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from kedge.statistics.statistic import Statistic


@dataclass(frozen=True, slots=True)
class Conservation:
    """Predictions of one release, by what became of them in one window; `a + b` is that of both.

    Attributes:
        received: they came in messages that can be read.
        dropped: the producers dropped them before they had a number.
        dead_lettered: of the received, given up.
        duplicate: of the received, counted before.
        late: their window had become final.
        missing: lacking at the window's end, for longer than is waited.
    """

    received: int = 0
    dropped: int = 0
    dead_lettered: int = 0
    duplicate: int = 0
    late: int = 0
    missing: int = 0

    def __add__(self, other: Conservation) -> Conservation:
        return Conservation(
            self.received + other.received,
            self.dropped + other.dropped,
            self.dead_lettered + other.dead_lettered,
            self.duplicate + other.duplicate,
            self.late + other.late,
            self.missing + other.missing,
        )


def conservation_statistics(counts: Conservation) -> Iterator[Statistic]:
    """`predictions_missing`, `predictions_dropped` and so on: see the catalogue."""
    for fate, count in asdict(counts).items():
        yield Statistic(f"predictions_{fate}", float(count), counts.received)
